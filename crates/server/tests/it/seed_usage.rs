//! Made-up usage, written from the shell and read over HTTP.

use crate::node::{Node, kijun, run, stdout};

#[test]
fn made_up_calls_are_all_in_the_usage_that_their_admin_key_reads() {
    let folder = tempfile::tempdir().unwrap();
    let wish = "seed-usage --calls 2000 --days 3 --projects 2 --keys 4 --models 3 --users 9";
    let wish: Vec<_> = wish.split(' ').collect();
    let said = stdout(&run(folder.path(), &wish));
    let key = said.lines().last().unwrap();

    let again = run(folder.path(), &wish);
    assert!(!again.status.success());
    let told = String::from_utf8_lossy(&again.stderr);
    assert!(told.contains("--force"), "{told}");
    stdout(&run(folder.path(), &[&wish[..], &["--force"]].concat()));

    let newest = kernel::Clock::now(&kernel::SystemClock).as_secs();
    let start = newest - 4 * 86_400;
    let node = Node::spawn(kijun(folder.path()));
    let mut requests = 0;
    for what in ["completions", "embeddings"] {
        let path = format!("/v1/organization/usage/{what}?start_time={start}&limit=31");
        let mut page = String::new();
        loop {
            let (status, body) = node.send("GET", &format!("{path}{page}"), key, "");
            assert_eq!(status, 200, "{body}");
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            for bucket in body["data"].as_array().unwrap() {
                for result in bucket["results"].as_array().unwrap() {
                    requests += result["num_model_requests"].as_u64().unwrap();
                }
            }
            match body["next_page"].as_str() {
                Some(next) => page = format!("&page={next}"),
                None => break,
            }
        }
    }
    assert_eq!(requests, 2_000, "those of the other organisation are not among them");
}
