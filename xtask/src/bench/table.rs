//! The figures as a Markdown table: one line per measure, one column per target.

use std::fmt::Write;
use std::path::Path;

use super::budget::{Budget, LINES, Line};
use super::figures::Target;
use super::target::Kind;
use crate::Error;

const BEGIN: &str = "<!-- bench: begin -->\n";
const END: &str = "<!-- bench: end -->";

/// The table, and the machine it was made on.
pub(super) fn render(targets: &[Target], machine: &str) -> String {
    let mut text = String::from("| |");
    for target in targets {
        let _ = write!(text, " {} |", target.kind.title());
    }
    text.push_str(" budget |\n|---|");
    text.push_str(&"---|".repeat(targets.len() + 1));
    text.push('\n');
    for line in LINES {
        let _ = write!(text, "| {} |", line.name);
        for target in targets {
            let _ = write!(text, " {} |", cell(line, target, targets));
        }
        let _ = writeln!(text, " {} |", allowance(line.budget));
    }
    let _ = writeln!(text, "\nMachine: {machine}.");
    for target in targets {
        if let Some(error) = &target.first_error {
            let (title, errors) = (target.kind.title(), target.errors);
            let _ = writeln!(text, "\n{title}: {errors} calls failed, the first with: {error}");
        }
    }
    text
}

/// Puts the table between the markers of a file.
pub(super) fn put(path: &Path, table: &str) -> Result<(), Error> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(Error::io(format!("read {name}")))?;
    let Some(text) = between(&text, table) else {
        let what = format!("has no lines `{}` and `{END}`; put them back", BEGIN.trim());
        return Err(Error::File { path: name, what });
    };
    std::fs::write(path, text).map_err(Error::io(format!("write {name}")))
}

fn between(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

/// A figure; for Kijun also its ratio to nginx's and its share of the budget, in bold when over.
fn cell(line: &Line, target: &Target, targets: &[Target]) -> String {
    let figure_of = |kind: Kind| {
        let other = targets.iter().find(|target| target.kind == kind)?;
        (line.figure)(other, targets.first()?)
    };
    let is_baseline = target.kind == Kind::Direct && line.name.contains("added");
    let Some(figure) = figure_of(target.kind).filter(|_| !is_baseline) else {
        return "–".to_owned();
    };
    let decimals = line.decimals;
    let shown =
        if figure.is_finite() { format!("{figure:.decimals$}") } else { "never".to_owned() };
    if !target.kind.is_kijun() {
        return shown;
    }
    let nginx = figure_of(Kind::Nginx).filter(|nginx| *nginx > 0.0);
    let most = match line.budget {
        Budget::None => None,
        Budget::AtMost(most) => Some(most),
        Budget::TimesNginx(times) => nginx.map(|nginx| nginx * times),
    };
    let mut notes = Vec::new();
    notes.extend(nginx.map(|nginx| format!("{:.2} × nginx", figure / nginx)));
    let share = most.filter(|most| *most > 0.0).map(|most| 100.0 * figure / most);
    notes.extend(share.map(|share| format!("{share:.0} % of budget")));
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    if most.is_some_and(|most| figure > most) {
        format!("**{shown}{notes}**")
    } else {
        format!("{shown}{notes}")
    }
}

fn allowance(budget: Budget) -> String {
    match budget {
        Budget::None => String::new(),
        Budget::AtMost(most) => format!("≤ {most}"),
        Budget::TimesNginx(times) => format!("≤ {times} × nginx"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(kind: Kind, p50_ms: f64, cpu_ms: f64) -> Target {
        let mut target = Target::new(kind);
        for load in &mut target.loads {
            load.p50_ms.push(p50_ms);
            load.cpu_ms.push(cpu_ms);
        }
        target
    }

    #[test]
    fn kijun_is_shown_beside_nginx_and_its_budget() {
        let mut kijun = target(Kind::Sqlite, 0.35, 0.05);
        kijun.hang_up_stream_s.push(f64::INFINITY);
        let targets = [target(Kind::Direct, 0.1, 0.0), target(Kind::Nginx, 0.2, 0.02), kijun];
        let text = render(&targets, "a machine");
        let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap();
        assert_eq!(
            line("CPU per call"),
            "| … CPU per call, ms | 0.0000 | 0.0200 | **0.0500 (2.50 × nginx, 125 % of budget)** \
             | ≤ 2 × nginx |"
        );
        assert_eq!(
            line("CPU per stream"),
            "| … CPU per stream, ms | 0.000 | 0.020 | 0.050 (2.50 × nginx, 83 % of budget) \
             | ≤ 3 × nginx |"
        );
        assert_eq!(
            line("added p50"),
            "| … added p50, ms | – | 0.100 | **0.250 (2.50 × nginx, 125 % of budget)** | ≤ 0.2 |"
        );
        assert!(line("hang-up of a stream").contains("| **never"));
        assert!(line("idle").contains("| – | – | – | ≤ 30 |"));
        assert!(text.contains("Machine: a machine."));
    }

    #[test]
    fn the_table_goes_between_the_markers() {
        let text = format!("a\n{BEGIN}old\n{END}\nb\n");
        assert_eq!(between(&text, "new").unwrap(), format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(between("a\n", "new"), None);
    }
}
