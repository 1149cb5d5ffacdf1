//! A batch whose node is killed in the middle, twice: every line is answered once.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::node::{ADMIN_KEY, API_KEY, Node, kijun};

const LINES: u64 = 500;
/// Answers between two kills.
const ENOUGH: u64 = 40;

fn start(folder: &Path) -> Node {
    let mut command = kijun(folder);
    command
        .env("KIJUN_BOOTSTRAP_API_KEY", API_KEY)
        .env("KIJUN_BOOTSTRAP_ADMIN_KEY", ADMIN_KEY)
        .env("KIJUN_BATCHES_LEASE_SECS", "3");
    Node::spawn(command)
}

/// Uploads the lines of a batch; returns the file's id.
fn upload(node: &Node, lines: &str) -> String {
    let part = |head: &str, data: &str| {
        format!("--part\r\nContent-Disposition: form-data; {head}\r\n\r\n{data}\r\n")
    };
    let file = part("name=\"file\"; filename=\"lines.jsonl\"", lines);
    let form = format!("{}{file}--part--\r\n", part("name=\"purpose\"", "batch"));
    let request = format!(
        "POST /v1/files HTTP/1.1\r\nhost: kijun\r\nauthorization: Bearer {API_KEY}\r\n\
         content-type: multipart/form-data; boundary=part\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{form}",
        form.len()
    );
    let mut stream = TcpStream::connect(node.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (_, body) = response.split_once("\r\n\r\n").unwrap();
    let file: Value = serde_json::from_str(body).unwrap();
    file["id"].as_str().expect("the file's id").to_owned()
}

fn get(node: &Node, path: &str) -> Value {
    let (status, body) = node.send("GET", path, API_KEY, "");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// The batch, once it is as it should be.
fn until(node: &Node, path: &str, is: impl Fn(&Value, u64) -> bool) -> Value {
    for _ in 0..12_000 {
        let batch = get(node, path);
        if is(&batch, batch["request_counts"]["completed"].as_u64().unwrap()) {
            return batch;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it never is: {}", get(node, path));
}

#[test]
fn a_batch_that_is_interrupted_twice_answers_every_line_once() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = (1..=LINES)
        .map(|n| {
            let said = format!("sim: delay 20ms\nsim: say Answer {n}.");
            let body =
                json!({"model": "kijun-sim", "messages": [{"role": "user", "content": said}]});
            let url = "/v1/chat/completions";
            let line = json!({"custom_id": format!("line-{n}"), "method": "POST", "url": url, "body": body});
            format!("{line}\n")
        })
        .collect();
    let node = start(folder.path());
    let wanted = json!({
        "input_file_id": upload(&node, &lines),
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    });
    let (status, made) = node.send("POST", "/v1/batches", API_KEY, &wanted.to_string());
    assert_eq!(status, 200, "{made}");
    let made: Value = serde_json::from_str(&made).unwrap();
    let path = format!("/v1/batches/{}", made["id"].as_str().unwrap());

    let mut running = node;
    for _interruption in 0..2 {
        let before = get(&running, &path)["request_counts"]["completed"].as_u64().unwrap();
        let batch = until(&running, &path, |_, completed| completed >= before + ENOUGH);
        assert_eq!(batch["status"], "in_progress", "it is killed in the middle");
        running.signal("-KILL");
        drop(running);
        running = start(folder.path());
    }
    let batch = until(&running, &path, |batch, _| batch["status"] == "completed");
    assert_eq!(batch["request_counts"], json!({"total": LINES, "completed": LINES, "failed": 0}));
    assert_eq!(batch["error_file_id"], Value::Null);
    let output = batch["output_file_id"].as_str().unwrap();
    let (status, output) = running.send("GET", &format!("/v1/files/{output}/content"), API_KEY, "");
    assert_eq!(status, 200);
    let read = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let answer = &line["response"]["body"]["choices"][0]["message"]["content"];
        (line["custom_id"].as_str().unwrap().to_owned(), answer.as_str().unwrap().to_owned())
    };
    let answers: Vec<_> = output.lines().map(read).collect();
    let expected: Vec<_> =
        (1..=LINES).map(|n| (format!("line-{n}"), format!("Answer {n}."))).collect();
    assert_eq!(answers, expected);
    // Also where a line was answered just before a kill, and again after it.
    for _ in 0..500 {
        if running.recorded() >= LINES {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(running.recorded(), LINES, "every line has one record");
}
