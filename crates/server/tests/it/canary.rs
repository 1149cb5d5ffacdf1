//! A canary in every field that holds content: it sings in answers, and nowhere on the disk.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::node::{ADMIN_KEY, API_KEY, Node, kijun};
use crate::search::Search;
use crate::socket;

/// Eight letters, which kijun-sim streams in one piece.
const CANARY: &str = "Kanari7q";

/// The canary among what text can be made of.
fn song() -> String {
    format!("the \"{CANARY}\" sings:\n\u{e9}\u{1f426} {CANARY}")
}

/// A node whose data, temporary files, standard output and logs are all in one folder.
struct Cage {
    node: Node,
    folder: tempfile::TempDir,
    search: Search,
}

impl Cage {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::create_dir(path.join("tmp")).unwrap();
        let mut command = kijun(path);
        command
            .env("KIJUN_BOOTSTRAP_API_KEY", API_KEY)
            .env("KIJUN_BOOTSTRAP_ADMIN_KEY", ADMIN_KEY)
            .env("KIJUN_LOG_LEVEL", "debug")
            .env("TMPDIR", path.join("tmp"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(File::create(path.join("stdout")).unwrap())
            .stderr(File::create(path.join("stderr")).unwrap());
        let mut child = command.spawn().unwrap();
        let said = || std::fs::read_to_string(path.join("stdout")).unwrap();
        until("the node is ready", || {
            said().contains("/v1\n") || child.try_wait().unwrap().is_some()
        });
        let banner = said();
        let address = banner.lines().find_map(|line| line.strip_prefix("Kijun is ready: http://"));
        let address = address.expect("the node started").trim_end_matches("/v1").parse().unwrap();
        let node = Node { child, address, banner };
        Self { node, folder, search: Search::new(CANARY) }
    }

    /// Fails where the canary is on the disk, in a log, or in a file that the node has open.
    fn is_silent(&self, when: &str) {
        let mut found = self.search.below(self.folder.path());
        found.extend(self.search.in_open_files(self.node.child.id()));
        assert!(found.is_empty(), "{when}: {found:#?}");
        let log = std::fs::read_to_string(self.folder.path().join("stderr")).unwrap();
        assert!(log.contains("DEBUG"), "the log is at debug level: {log}");
    }

    fn post(&self, path: &str, key: &str, body: &Value) -> (u16, String) {
        self.node.send("POST", path, key, &body.to_string())
    }

    fn get(&self, path: &str, key: &str) -> (u16, Value) {
        let (status, body) = self.node.send("GET", path, key, "");
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    fn admin(&self, path: &str, body: &Value) -> Value {
        let (status, text) = self.post(&format!("/v1/organization{path}"), ADMIN_KEY, body);
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Sends a form with a file in it.
    fn form(&self, path: &str, key: &str, fields: &[(&str, &str)], file: &str) -> (u16, Value) {
        const EDGE: &str = "form-edge-1f2e3d";
        let mut body = String::new();
        for (name, value) in fields {
            body += &format!(
                "--{EDGE}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
        }
        body += &format!(
            "--{EDGE}\r\ncontent-disposition: form-data; name=\"{file}\"; \
             filename=\"{CANARY}.txt\"\r\ncontent-type: text/plain\r\n\r\n{}\r\n--{EDGE}--\r\n",
            song()
        );
        let mut stream = TcpStream::connect(self.node.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: kijun\r\nauthorization: Bearer {key}\r\ncontent-type: \
             multipart/form-data; boundary={EDGE}\r\ncontent-length: {}\r\nconnection: \
             close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    fn stops(&mut self) {
        self.node.signal("-TERM");
        assert!(self.node.child.wait().unwrap().success());
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A JSON object with more fields.
fn with(mut body: Value, mut more: Value) -> Value {
    body.as_object_mut().unwrap().append(more.as_object_mut().unwrap());
    body
}

/// A chat with the canary in every field that holds content.
fn chat() -> Value {
    let data = STANDARD.encode(song());
    let look = json!({"type": "function", "function": {
        "name": "look", "description": song(),
        "parameters": {"type": "object", "description": song(), "properties": {CANARY: {"type": "string"}}},
    }});
    json!({
        "model": "kijun-sim",
        "messages": [
            {"role": "system", "content": song()},
            {"role": "user", "name": CANARY, "content": [
                {"type": "text", "text": song()},
                {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{data}")}},
                {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}},
                {"type": "file", "file": {"filename": CANARY, "file_data": format!("data:text/plain;base64,{data}")}},
            ]},
            {"role": "assistant", "content": song(), "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": json!({"q": song()}).to_string()}},
            ]},
            {"role": "tool", "tool_call_id": "call_1", "content": song()},
            {"role": "user", "content": format!("sim: echo\n{}", song())},
        ],
        "tools": [look],
        "tool_choice": "none",
        "metadata": {"note": CANARY},
        "prediction": {"type": "content", "content": song()},
        "stop": [format!("{CANARY} stops")],
    })
}

/// A response with the canary in every field that holds content.
fn response() -> Value {
    let data = STANDARD.encode(song());
    json!({
        "model": "kijun-sim",
        "instructions": song(),
        "input": [
            {"role": "developer", "content": song()},
            {"role": "user", "content": [
                {"type": "input_text", "text": song()},
                {"type": "input_image", "image_url": format!("data:image/png;base64,{data}")},
                {"type": "input_file", "filename": CANARY, "file_data": format!("data:text/plain;base64,{data}")},
            ]},
            {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": json!({"q": song()}).to_string()},
            {"type": "function_call_output", "call_id": "call_1", "output": song()},
            {"role": "user", "content": format!("sim: echo\n{}", song())},
        ],
        "tools": [{"type": "function", "name": "look", "description": song(), "strict": false,
            "parameters": {"type": "object", "properties": {CANARY: {"type": "string"}}}}],
        "tool_choice": "none",
        "metadata": {"note": CANARY},
    })
}

/// Calls that ask for nothing to be kept, or cannot be answered.
fn passing_calls(cage: &Cage, key: &str) {
    let post = |path: &str, body: Value| cage.post(path, key, &body);
    let sings = |what: &str, (status, body): (u16, String)| {
        assert_eq!(status, 200, "{what}: {body}");
        assert!(body.contains(CANARY), "the canary is in the answer to {what}: {body}");
    };
    let streamed = || json!({"stream": true});
    sings("a chat", post("/v1/chat/completions", chat()));
    sings("a stream", post("/v1/chat/completions", with(chat(), streamed())));
    let kept_not = || json!({"store": false});
    sings("a response", post("/v1/responses", with(response(), kept_not())));
    let both = with(streamed(), kept_not());
    sings("a streamed response", post("/v1/responses", with(response(), both)));
    let turn = with(response(), json!({"type": "response.create", "store": false}));
    let warm_up = with(turn.clone(), json!({"generate": false}));
    let said = socket::turns(cage.node.address, key, &[warm_up, turn]);
    assert!(said.contains(CANARY), "the canary is in the turns of a socket: {said}");
    let say = |directive: &str| {
        let content = format!("sim: {directive}\n{}", song());
        json!({"model": "kijun-sim", "messages": [{"role": "user", "content": content}]})
    };
    sings("reasoning", post("/v1/chat/completions", say(&format!("reason {CANARY}"))));
    let called = say(&format!("tool look {{\"q\": \"{CANARY}\"}}"));
    sings("a call of a tool", post("/v1/chat/completions", called));
    let prompt = json!({"model": "kijun-sim", "prompt": format!("sim: echo\n{}", song())});
    sings("a completion", post("/v1/completions", prompt));
    for (path, model) in
        [("/v1/embeddings", "kijun-sim-embedding"), ("/v1/moderations", "kijun-sim-moderation")]
    {
        assert_eq!(post(path, json!({"model": model, "input": song()})).0, 200, "{path}");
    }
    // What fails is told to the caller alone.
    for directive in [format!("fail 400 message={CANARY}"), format!("fail 500 message={CANARY}")] {
        let (status, _) = post("/v1/chat/completions", say(&directive));
        assert!(status >= 400, "{directive}: {status}");
        let (status, _) = post(
            "/v1/responses",
            json!({"model": "kijun-sim", "store": false, "input": format!("sim: {directive}\n{CANARY}")}),
        );
        assert!(status >= 400, "{directive}: {status}");
    }
    post("/v1/chat/completions", with(say("break after=2"), streamed()));
    for (path, wrong) in [
        ("/v1/chat/completions", json!({"model": "kijun-sim", "messages": CANARY})),
        ("/v1/chat/completions", json!({"model": "kijun-sim", "messages": [{"role": CANARY}]})),
        (
            "/v1/responses",
            json!({"model": "kijun-sim", "input": [{"type": CANARY, "text": song()}]}),
        ),
        ("/v1/responses", json!({"model": "kijun-sim", "input": 5, "instructions": song()})),
        ("/v1/embeddings", json!({"model": "kijun-sim-embedding", "input": {"text": song()}})),
    ] {
        let (status, body) = post(path, wrong);
        assert!((400..500).contains(&status), "{path}: {status} {body}");
    }
    for path in ["/v1/chat/completions", "/v1/responses", "/v1/batches", "/v1/conversations"] {
        let broken = format!("{{\"model\": \"kijun-sim\", \"input\": \"{CANARY}");
        let (status, body) = cage.node.send("POST", path, key, &broken);
        assert!((400..500).contains(&status), "{path}: {status} {body}");
    }
}

/// A key of a new project of which nothing is kept.
fn forgetful_key(cage: &Cage) -> String {
    let project = cage.admin("/projects", &json!({"name": "Forgetful"}));
    let path = format!("/projects/{}", project["id"].as_str().unwrap());
    let set = json!({"retention_type": "zero_data_retention"});
    let set = cage.admin(&format!("{path}/data_retention"), &set);
    assert_eq!(set["type"], "zero_data_retention");
    let key = cage.admin(&format!("{path}/api_keys"), &json!({"name": "Forgetful"}));
    key["value"].as_str().unwrap().to_owned()
}

/// What a project that keeps nothing answers without keeping it, and what it refuses.
fn forgetful_calls(cage: &Cage, key: &str) {
    for streamed in [false, true] {
        let kept = json!({"store": true, "stream": streamed});
        let (status, body) = cage.post("/v1/chat/completions", key, &with(chat(), kept.clone()));
        assert_eq!(status, 200, "{body}");
        let (status, body) = cage.post("/v1/responses", key, &with(response(), kept));
        assert_eq!(status, 200, "{body}");
        let id = body.split("\"resp_").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(cage.get(&format!("/v1/responses/resp_{id}"), key).0, 404);
    }
    let item = json!({"type": "message", "role": "user", "content": song()});
    let upload =
        json!({"filename": CANARY, "purpose": "user_data", "bytes": 10, "mime_type": "text/plain"});
    let batch = json!({"input_file_id": "file-1", "endpoint": "/v1/responses",
        "completion_window": "24h", "metadata": {"note": CANARY}});
    for (path, body) in [
        ("/v1/responses", with(response(), json!({"background": true}))),
        ("/v1/conversations", json!({"items": [item], "metadata": {"note": CANARY}})),
        ("/v1/uploads", upload),
        ("/v1/batches", batch),
    ] {
        let (status, answer) = cage.post(path, key, &body);
        assert_eq!(status, 403, "{path}: {answer}");
        assert!(answer.contains("zero_data_retention"), "{path}: {answer}");
    }
    let (status, answer) = cage.form("/v1/files", key, &[("purpose", "user_data")], "file");
    assert_eq!(status, 403, "{answer}");
    assert_eq!(answer["error"]["code"], "zero_data_retention");
    // Whether traces are refused or taken and dropped, none is kept.
    cage.post("/v1/traces/ingest", key, &trace());
}

fn trace() -> Value {
    let id = format!("trace_{}", "1".repeat(32));
    json!({"data": [
        {"object": "trace", "id": id, "workflow_name": CANARY, "metadata": {"note": CANARY}},
        {"object": "trace.span", "id": "span_1", "trace_id": id, "started_at": "2026-11-23T00:00:00Z",
         "ended_at": "2026-11-23T00:00:01Z", "span_data": {"type": "function", "name": "look", "input": song()}},
    ]})
}

/// Content that callers asked to be kept; returns the paths under which it is read.
fn kept_calls(cage: &Cage) -> Vec<String> {
    let made = |path: &str, body: &Value| -> Value {
        let (status, text) = cage.post(path, API_KEY, body);
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    };
    let path = |base: &str, made: &Value, rest: &str| {
        format!("{base}/{}{rest}", made["id"].as_str().unwrap())
    };
    let kept = made("/v1/responses", &response());
    let background = made("/v1/responses", &with(response(), json!({"background": true})));
    let ended = path("/v1/responses", &background, "");
    until("the background response ends", || cage.get(&ended, API_KEY).1["status"] == "completed");
    let chat = made("/v1/chat/completions", &with(chat(), json!({"store": true})));
    let item = json!({"type": "message", "role": "user", "content": song()});
    let conversation =
        made("/v1/conversations", &json!({"items": [item], "metadata": {"note": CANARY}}));
    made("/v1/responses", &with(response(), json!({"conversation": conversation["id"]})));
    let (status, file) = cage.form("/v1/files", API_KEY, &[("purpose", "user_data")], "file");
    assert_eq!(status, 200, "{file}");
    let upload = json!({"filename": CANARY, "purpose": "user_data", "bytes": 1_000_000, "mime_type": "text/plain"});
    let upload = made("/v1/uploads", &upload);
    let (status, part) = cage.form(&path("/v1/uploads", &upload, "/parts"), API_KEY, &[], "data");
    assert_eq!(status, 200, "{part}");
    let (status, answer) = cage.post("/v1/traces/ingest", API_KEY, &trace());
    assert_eq!(status, 204, "{answer}");
    vec![
        path("/v1/responses", &kept, ""),
        path("/v1/responses", &kept, "/input_items"),
        ended,
        path("/v1/chat/completions", &chat, ""),
        path("/v1/conversations", &conversation, "/items"),
        path("/v1/files", &file, ""),
        path("/v1/files", &file, "/content"),
    ]
}

/// The default project, which the first API key belongs to.
fn default_project(cage: &Cage) -> String {
    let (_, projects) = cage.get("/v1/organization/projects", ADMIN_KEY);
    let all = projects["data"].as_array().unwrap();
    let default = all.iter().find(|project| project["name"] != "Forgetful").unwrap();
    default["id"].as_str().unwrap().to_owned()
}

#[test]
fn content_that_is_not_kept_is_nowhere() {
    let mut cage = Cage::open();
    passing_calls(&cage, API_KEY);
    cage.is_silent("after calls");
    let key = forgetful_key(&cage);
    passing_calls(&cage, &key);
    forgetful_calls(&cage, &key);
    cage.is_silent("after calls of a project with zero data retention");
    assert!(cage.node.recorded() >= 20, "the calls are in the ledger");
    let written = Search::new("kijun-sim-embedding").below(cage.folder.path());
    assert!(!written.is_empty(), "the search looks where the ledger is");
    cage.stops();
    cage.is_silent("after the node stopped");
}

#[test]
fn content_that_is_kept_is_sealed_and_goes_when_nothing_may_be_kept() {
    let mut cage = Cage::open();
    let paths = kept_calls(&cage);
    for path in &paths {
        let (status, body) = cage.node.send("GET", path, API_KEY, "");
        assert_eq!(status, 200, "{path}: {body}");
        assert!(body.contains(CANARY), "{path} is kept: {body}");
    }
    cage.is_silent("while content is kept");
    let blobs = || blobs_below(&cage.folder.path().join("data").join("blobs"));
    assert_eq!(blobs(), 2, "a file's and an upload's");

    let project = default_project(&cage);
    let forget = json!({"retention_type": "zero_data_retention"});
    cage.admin(&format!("/projects/{project}/data_retention"), &forget);
    until("all of it is deleted", || {
        paths.iter().all(|path| cage.get(path, API_KEY).0 == 404) && blobs() == 0
    });
    let listed = || cage.get("/v1/organization/deletions", ADMIN_KEY).1["data"].clone();
    until("every deletion is verified", || {
        let deletions = listed();
        let mut all = deletions.as_array().unwrap().iter();
        all.len() == 6 && all.all(|deletion| deletion["verified"] == true)
    });
    let mut kinds: Vec<_> =
        listed().as_array().unwrap().iter().map(|d| d["kind"].clone()).collect();
    kinds.sort_by_key(Value::to_string);
    assert_eq!(kinds, ["chat_completion", "conversation", "file", "response", "trace", "upload"]);
    cage.is_silent("after it was deleted");
    cage.stops();
    cage.is_silent("after the node stopped");
}

/// How many blobs there are: files with a name of 32 digits.
fn blobs_below(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let count = |path: std::path::PathBuf| match path.is_dir() {
        true => blobs_below(&path),
        false => usize::from(path.file_name().is_some_and(|name| name.len() == 32)),
    };
    paths.map(count).sum()
}
