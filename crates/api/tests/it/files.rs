//! Files and uploads by HTTP: the shapes, the words of every refusal, ranges, tenants.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::app::{Answer, MAX_BODY, MAX_FILE, NOW, TestApp};

const BOUNDARY: &str = "----boundary-of-the-tests";

/// A field of a form: its name, its filename if it is a file, its bytes.
type Field<'a> = (&'a str, Option<&'a str>, &'a [u8]);

fn form(fields: &[Field<'_>]) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, filename, data) in fields {
        let filename = filename.map_or(String::new(), |name| format!("; filename=\"{name}\""));
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\n\r\n"
        );
        form.extend_from_slice(head.as_bytes());
        form.extend_from_slice(data);
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    form
}

impl TestApp {
    /// Sends a form, in pieces.
    async fn submit(&self, path: &str, key: &str, form: Vec<u8>) -> Answer {
        let pieces: Vec<_> = form.chunks(50_000).map(Bytes::copy_from_slice).collect();
        let pieces = pieces.into_iter().map(Ok::<_, std::convert::Infallible>);
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .header(header::CONTENT_TYPE, format!("multipart/form-data; boundary={BOUNDARY}"))
            .body(Body::from_stream(stream::iter(pieces)))
            .unwrap();
        self.send(request).await
    }

    async fn upload(&self, data: &[u8]) -> Value {
        let fields: [Field<'_>; 2] =
            [("file", Some("données \\\"1\\\".txt"), data), ("purpose", None, b"user_data")];
        let answer = self.submit("/v1/files", &self.home.api_key, form(&fields)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &self.home.api_key, Value::Null).await
    }

    async fn download(&self, file: &Value, range: Option<&str>) -> Answer {
        let path = format!("/v1/files/{}/content", file["id"].as_str().unwrap());
        let mut request = Request::builder()
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.home.api_key));
        if let Some(range) = range {
            request = request.header(header::RANGE, range);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, &self.home.api_key, body).await
    }
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 ^ (at / 65_537) as u8).collect()
}

#[tokio::test]
async fn a_file_goes_in_is_listed_comes_out_and_goes() {
    let app = TestApp::start().await;
    // Larger than a JSON body may be.
    let data = noise(MAX_BODY + 12_345);
    let file = app.upload(&data).await;
    let id = file["id"].as_str().unwrap();
    assert!(id.starts_with("file-"));
    let days = 30 * 24 * 3_600;
    assert_eq!(
        file,
        json!({
            "id": id, "object": "file", "bytes": data.len(), "created_at": NOW.as_secs(),
            "expires_at": NOW.as_secs() + days, "filename": "données \"1\".txt",
            "purpose": "user_data", "status": "processed", "status_details": null,
        })
    );
    assert_eq!(app.get(&format!("/v1/files/{id}")).await.json(), file);
    let list = app.get("/v1/files").await.json();
    let expected = json!({
        "object": "list", "data": [file], "first_id": id, "last_id": id, "has_more": false,
    });
    assert_eq!(list, expected);
    assert_eq!(app.get("/v1/files?purpose=batch").await.json()["data"], json!([]));
    let content = app.download(&file, None).await;
    assert_eq!(content.status, 200);
    assert!(content.body == data);
    assert_eq!(content.header("content-type"), "application/octet-stream");
    assert_eq!(content.header("content-length"), data.len().to_string());
    assert_eq!(
        content.header("content-disposition"),
        "attachment; filename=\"donn_es _1_.txt\"; filename*=UTF-8''donn%C3%A9es%20%221%22.txt"
    );
    let path = format!("/v1/files/{id}");
    let deleted = app.ask("DELETE", &path, &app.home.api_key, Value::Null).await.json();
    assert_eq!(deleted, json!({"id": id, "object": "file", "deleted": true}));
    for path in [path.clone(), format!("{path}/content")] {
        let error = app.get(&path).await.is_error(404);
        assert_eq!(error["message"], format!("No such File object: {id}"));
        assert_eq!(error["param"], "id");
    }
}

#[tokio::test]
async fn ranges_come_out_as_asked_for() {
    let app = TestApp::start().await;
    let data = noise(200_000);
    let file = app.upload(&data).await;
    for (range, start, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=65535-65536", 65_535, 65_537),
        ("bytes=199990-", 199_990, 200_000),
        ("bytes=-5", 199_995, 200_000),
    ] {
        let answer = app.download(&file, Some(range)).await;
        assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert!(answer.body == data[start..end], "{range}");
        let text = format!("bytes {start}-{}/200000", end - 1);
        assert_eq!(answer.header("content-range"), text);
        assert_eq!(answer.header("content-length"), (end - start).to_string());
    }
    let answer = app.download(&file, Some("bytes=200000-")).await;
    answer.is_error(416);
    assert_eq!(answer.header("content-range"), "bytes */200000");
    assert_eq!(app.download(&file, Some("bytes=x")).await.status, 200);
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let app = TestApp::start().await;
    let file = app.upload(b"").await;
    assert_eq!(file["bytes"], 0);
    let answer = app.download(&file, None).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-length")), (200, "0"));
    app.download(&file, Some("bytes=0-")).await.is_error(416);
}

#[tokio::test]
async fn every_refusal_names_its_field() {
    let app = TestApp::start().await;
    let file: Field<'_> = ("file", Some("a.txt"), b"hello");
    let purpose: Field<'_> = ("purpose", None, b"user_data");
    let long = vec![b'x'; 1_000];
    for (fields, param, part) in [
        (vec![file], "purpose", "'purpose' is a required property"),
        (vec![purpose], "file", "'file' is a required property"),
        (vec![("file", None, b"hello"), purpose], "file", "send it with a filename"),
        (vec![("file", Some(""), b"hello"), purpose], "filename", "has no name"),
        (vec![file, ("purpose", None, b"batch_output")], "purpose", "'batch_output' is not one of"),
        (vec![file, ("purpose", None, &long)], "purpose", "longer than 256"),
        (vec![file, file, purpose], "file", "more than once"),
        (vec![file, purpose, ("purposes", None, b"x")], "purposes", "did you mean `purpose`"),
        (
            vec![file, purpose, ("expires_after[seconds]", None, b"3600")],
            "expires_after",
            "expires_after[anchor]",
        ),
        (
            vec![
                file,
                purpose,
                ("expires_after[anchor]", None, b"created_at"),
                ("expires_after[seconds]", None, b"3599"),
            ],
            "expires_after",
            "from 3600 to 2592000",
        ),
        (
            vec![file, purpose, ("expires_after[seconds]", None, b"soon")],
            "expires_after[seconds]",
            "whole number",
        ),
    ] {
        let answer = app.submit("/v1/files", &app.home.api_key, form(&fields)).await;
        let error = answer.is_error(400);
        assert_eq!(error["param"], param, "{error}");
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
    }
    let answer = app.post("/v1/files", json!({"purpose": "batch"})).await;
    assert!(answer.is_error(400)["message"].as_str().unwrap().contains("multipart/form-data"));
    let whole = form(&[purpose, file]);
    let cut = whole[..whole.len() - 10].to_vec();
    app.submit("/v1/files", &app.home.api_key, cut).await.is_error(400);
    assert_eq!(app.get("/v1/files").await.json()["data"], json!([]), "nothing was kept");
    for query in ["limit=0", "limit=10001", "order=down", "purpose=x", "x=1"] {
        app.get(&format!("/v1/files?{query}")).await.is_error(400);
    }
}

#[tokio::test]
async fn too_large_a_file_is_refused_by_its_head_or_on_its_way() {
    let app = TestApp::start().await;
    let data = vec![b'x'; MAX_FILE as usize + 1];
    let fields: [Field<'_>; 2] = [("purpose", None, b"batch"), ("file", Some("a"), &data)];
    let answer = app.submit("/v1/files", &app.home.api_key, form(&fields)).await;
    let error = answer.is_error(413);
    assert_eq!(error["code"], "file_too_large");
    assert!(error["message"].as_str().unwrap().contains("files.max_file_bytes"));

    let declared = Request::builder()
        .method(Method::POST)
        .uri("/v1/files")
        .header(header::AUTHORIZATION, format!("Bearer {}", app.home.api_key))
        .header(header::CONTENT_TYPE, format!("multipart/form-data; boundary={BOUNDARY}"))
        .header(header::CONTENT_LENGTH, u64::MAX)
        // Whoever reads it waits for ever.
        .body(Body::from_stream(stream::pending::<Result<Bytes, std::convert::Infallible>>()))
        .unwrap();
    app.send(declared).await.is_error(413);
}

#[tokio::test]
async fn an_encoded_form_is_refused_rather_than_kept_as_it_is() {
    let app = TestApp::start().await;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    let mut request = Request::builder()
        .method(Method::POST)
        .uri("/v1/files")
        .header(header::AUTHORIZATION, format!("Bearer {}", app.home.api_key))
        .header(header::CONTENT_TYPE, format!("multipart/form-data; boundary={BOUNDARY}"))
        .body(Body::empty())
        .unwrap();
    request.headers_mut().extend(headers);
    app.send(request).await.is_error(415);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    for at in 0..3 {
        ids.push(app.upload(&[at]).await["id"].as_str().unwrap().to_owned());
        app.clock.advance(std::time::Duration::from_millis(1));
    }
    let page = app.get("/v1/files?limit=2").await.json();
    assert_eq!((&page["first_id"], &page["last_id"]), (&json!(ids[2]), &json!(ids[1])));
    assert_eq!(page["has_more"], true);
    let page = app.get(&format!("/v1/files?limit=2&after={}", ids[1])).await.json();
    assert_eq!(
        (page["data"][0]["id"].as_str(), &page["has_more"]),
        (Some(&*ids[0]), &json!(false))
    );
    let page = app.get("/v1/files?order=asc&limit=1").await.json();
    assert_eq!(page["first_id"], json!(ids[0]));
}

#[tokio::test]
async fn an_upload_in_parts_becomes_a_file() {
    let app = TestApp::start().await;
    let data = noise(150_000);
    let asked = json!({
        "filename": "lines.jsonl", "purpose": "batch", "bytes": data.len(),
        "mime_type": "text/jsonl", "expires_after": {"anchor": "created_at", "seconds": 7200},
    });
    let upload = app.post("/v1/uploads", asked).await.json();
    let id = upload["id"].as_str().unwrap().to_owned();
    let expected = json!({
        "id": id, "object": "upload", "bytes": 150_000, "created_at": NOW.as_secs(),
        "expires_at": NOW.as_secs() + 3_600, "filename": "lines.jsonl", "purpose": "batch",
        "status": "pending", "file": null,
    });
    assert_eq!(upload, expected);
    let mut parts = Vec::new();
    for range in [100_000..150_000, 0..100_000] {
        let form = form(&[("data", Some("blob"), &data[range])]);
        let part = app.submit(&format!("/v1/uploads/{id}/parts"), &app.home.api_key, form).await;
        let part = part.json();
        assert_eq!((&part["object"], &part["upload_id"]), (&json!("upload.part"), &json!(id)));
        parts.insert(0, part["id"].clone());
    }
    let path = format!("/v1/uploads/{id}/complete");
    let wrong = app.post(&path, json!({"part_ids": [parts[0]]})).await.is_error(400);
    assert_eq!(wrong["param"], "part_ids");
    let wrong = app.post(&path, json!({"part_ids": parts, "md5": "0"})).await.is_error(400);
    assert_eq!(wrong["param"], "md5");
    let done = app.post(&path, json!({"part_ids": parts})).await.json();
    assert_eq!(done["status"], "completed");
    assert_eq!(done["file"]["expires_at"], NOW.as_secs() + 7_200);
    assert!(app.download(&done["file"], None).await.body == data);
    let range = app.download(&done["file"], Some("bytes=99999-100000")).await;
    assert!(range.body == data[99_999..=100_000]);
    let late = app.post(&format!("/v1/uploads/{id}/cancel"), Value::Null).await.is_error(400);
    assert!(late["message"].as_str().unwrap().contains("is completed"), "{late}");
}

#[tokio::test]
async fn an_upload_can_be_cancelled_and_its_requests_are_checked() {
    let app = TestApp::start().await;
    let asked = json!({"filename": "a", "purpose": "vision", "bytes": 5, "mime_type": "image/png"});
    let upload = app.post("/v1/uploads", asked.clone()).await.json();
    let path = format!("/v1/uploads/{}", upload["id"].as_str().unwrap());
    for (fields, param) in [
        (vec![("file", Some("a"), &b"hello"[..])], "file"),
        (vec![("data", Some("a"), b"hello"), ("data", Some("a"), b"hello")], "data"),
        (vec![], "data"),
    ] {
        let answer = app.submit(&format!("{path}/parts"), &app.home.api_key, form(&fields)).await;
        assert_eq!(answer.is_error(400)["param"], param);
    }
    let cancelled = app.post(&format!("{path}/cancel"), Value::Null).await.json();
    assert_eq!(cancelled["status"], "cancelled");
    let form = form(&[("data", Some("a"), b"hello")]);
    app.submit(&format!("{path}/parts"), &app.home.api_key, form).await.is_error(400);
    for (field, wrong) in [
        ("purpose", json!("batch_output")),
        ("bytes", json!(-1)),
        ("mime_type", json!("")),
        ("filename", json!("")),
        ("expires_after", json!({"anchor": "now", "seconds": 3600})),
        ("expires_after", json!({"anchor": "created_at", "seconds": 1})),
    ] {
        let mut asked = asked.clone();
        asked[field] = wrong;
        let error = app.post("/v1/uploads", asked).await.is_error(400);
        assert!(error["param"].as_str().unwrap().starts_with(field), "{error}");
    }
    let mut huge = asked;
    huge["bytes"] = json!(MAX_FILE + 1);
    app.post("/v1/uploads", huge).await.is_error(413);
}

#[tokio::test]
async fn another_projects_files_and_uploads_are_not_there() {
    let app = TestApp::start().await;
    let neighbour = app.neighbour().await;
    let file = app.upload(b"hello").await["id"].as_str().unwrap().to_owned();
    let asked = json!({"filename": "a", "purpose": "batch", "bytes": 5, "mime_type": "text/plain"});
    let upload = app.post("/v1/uploads", asked).await.json()["id"].as_str().unwrap().to_owned();
    let key = &neighbour.api_key;
    for (method, path) in [
        ("GET", format!("/v1/files/{file}")),
        ("GET", format!("/v1/files/{file}/content")),
        ("DELETE", format!("/v1/files/{file}")),
        ("POST", format!("/v1/uploads/{upload}/cancel")),
    ] {
        app.ask(method, &path, key, Value::Null).await.is_error(404);
    }
    let body = json!({"part_ids": []});
    let path = format!("/v1/uploads/{upload}/complete");
    let error = app.ask("POST", &path, key, body).await.is_error(404);
    assert_eq!(error["message"], format!("No such Upload object: {upload}"));
    let form = form(&[("data", Some("a"), b"hello")]);
    app.submit(&format!("/v1/uploads/{upload}/parts"), key, form).await.is_error(404);
    let list = app.ask("GET", "/v1/files", key, Value::Null).await.json();
    assert_eq!(list["data"], json!([]));
    assert_eq!(app.get(&format!("/v1/files/{file}")).await.status, 200);
}

#[tokio::test]
async fn a_project_that_keeps_nothing_takes_no_files() {
    let app = TestApp::start().await;
    let path = format!("/projects/{}/data_retention", app.home.project);
    app.admin("POST", &path, json!({"retention_type": "zero_data_retention"})).await;
    let fields: [Field<'_>; 2] = [("file", Some("a"), b"hello"), ("purpose", None, b"batch")];
    let answer = app.submit("/v1/files", &app.home.api_key, form(&fields)).await;
    assert_eq!(answer.is_error(403)["code"], "zero_data_retention");
    let asked = json!({"filename": "a", "purpose": "batch", "bytes": 5, "mime_type": "text/plain"});
    let answer = app.post("/v1/uploads", asked).await;
    assert_eq!(answer.is_error(403)["code"], "zero_data_retention");
}

#[tokio::test]
async fn damaged_bytes_are_never_given_out() {
    let app = TestApp::start().await;
    let file = app.upload(&noise(100_000)).await;
    let blob = app.blobs().pop().unwrap();
    let mut stored = std::fs::read(&blob).unwrap();
    stored[70_000] ^= 1;
    std::fs::write(&blob, stored).unwrap();
    let answer = app.download(&file, Some("bytes=0-9")).await;
    assert!(answer.body == noise(10), "the first chunk is whole");
    // The head has left: what is damaged is missing, and the connection breaks off.
    assert!(app.download(&file, None).await.body.is_empty());
}
