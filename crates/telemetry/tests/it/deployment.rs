//! The dashboard and the alert rules of deploy/ ask for metrics that there are.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use telemetry::families;
use telemetry::family::Kind;

/// Series that others tell: Prometheus itself.
const OF_OTHERS: [&str; 1] = ["up"];

/// Every word of a text that is a metric of ours, or looks like one.
fn metrics_in(text: &str) -> HashSet<&str> {
    let words = text.split(|one: char| !one.is_ascii_alphanumeric() && one != '_' && one != ':');
    let ours = |word: &&str| {
        ["kijun_", "gen_ai_", "process_"].iter().any(|prefix| word.starts_with(prefix))
    };
    words.filter(ours).collect()
}

#[test]
fn dashboards_and_rules_ask_for_what_there_is() {
    let mut known: HashSet<String> = OF_OTHERS.iter().map(|&name| name.to_owned()).collect();
    for family in families::ALL {
        let suffixes: &[&str] = match family.kind {
            Kind::Histogram => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        known.extend(suffixes.iter().map(|suffix| format!("{}{suffix}", family.name)));
        known.extend(family.labels.iter().map(|label| label.name.to_owned()));
    }
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    for file in ["prometheus/alerts.yaml", "grafana/kijun.json"] {
        let text = fs::read_to_string(deploy.join(file)).unwrap();
        let asked = metrics_in(&text);
        assert!(asked.len() > 10, "{file} asks for too little");
        for name in asked {
            assert!(known.contains(name), "{file} asks for {name}, which there is not");
        }
    }
}
