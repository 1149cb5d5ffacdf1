//! A batch from its making to its files.

use batches::BatchError;
use kernel::Operation;
use serde_json::{Value, json};
use store::{BatchStatus, FilePurpose};

use crate::app::{Place, assert_answers, chat, chats, custom_ids, line, wanted};

#[tokio::test]
async fn every_line_has_its_answer_in_the_order_of_the_input() {
    let place = Place::new().await;
    let node = place.node().await;
    let made = node.create(Operation::ChatCompletions, &chats(120)).await;
    assert_eq!(made.status, BatchStatus::Validating);
    let batch = node.over(&made.id).await;
    assert_eq!(batch.status, BatchStatus::Completed);
    assert_eq!((batch.counts.total, batch.counts.completed, batch.counts.failed), (120, 120, 0));
    assert_eq!((batch.model.as_deref(), batch.error_file.as_ref()), (Some("kijun-sim"), None));
    let output = node.output(&batch).await;
    assert_answers(&output, 120);
    let first = &output[0];
    assert!(first["id"].as_str().unwrap().starts_with("batch_req_"));
    assert_eq!((&first["response"]["status_code"], &first["error"]), (&json!(200), &Value::Null));
    let name = node.files.get(&batch.scope(), batch.output_file.as_ref().unwrap()).await.unwrap();
    assert_eq!(name.filename, format!("{}_output.jsonl", batch.id));
    assert_eq!(name.purpose, FilePurpose::BatchOutput);

    let records = place.records(&[&node]).await;
    assert_eq!(records.len(), 120);
    assert!(records.iter().all(|record| record.batch.as_ref() == Some(&batch.id)));
    let used: u64 = records.iter().map(|record| record.usage.total()).sum();
    assert_eq!(batch.usage.total(), used, "the batch counts what its calls used");
    let request = first["response"]["request_id"].as_str().unwrap();
    assert!(records.iter().any(|record| record.id.as_str() == request));
    let kept = place.store.batch_results(&batch.scope(), &batch.id, 0, 10).await.unwrap();
    assert!(kept.is_empty(), "results live in the files alone");
}

#[tokio::test]
async fn every_endpoint_has_batches() {
    let place = Place::new().await;
    let node = place.node().await;
    for (operation, body, object) in [
        (Operation::Responses, json!({"model": "kijun-sim", "input": "Hello"}), "response"),
        (
            Operation::ChatCompletions,
            json!({"model": "kijun-sim", "messages": [{"role": "user", "content": "Hello"}]}),
            "chat.completion",
        ),
        (
            Operation::Completions,
            json!({"model": "kijun-sim", "prompt": "Hello"}),
            "text_completion",
        ),
        (Operation::Embeddings, json!({"model": "kijun-sim-embedding", "input": "Hello"}), "list"),
        (Operation::Moderations, json!({"model": "kijun-sim-moderation", "input": "Hello"}), ""),
    ] {
        let lines = format!("{}\n{}", line("a", operation, &body), line("b", operation, &body));
        let made = node.create(operation, &lines).await;
        let batch = node.over(&made.id).await;
        assert_eq!(batch.counts.completed, 2, "{operation}: {:?}", node.errors(&batch).await);
        let output = node.output(&batch).await;
        assert_eq!(custom_ids(&output), ["a", "b"], "{operation}");
        let answer = &output[0]["response"]["body"];
        assert_eq!(answer["object"].as_str().unwrap_or_default(), object, "{answer}");
        if operation == Operation::Responses {
            let kept = node.batches.get(&batch.scope(), &batch.id).await.unwrap();
            assert!(kept.usage.output > 0);
        }
    }
}

#[tokio::test]
async fn what_failed_is_in_the_error_file() {
    let place = Place::new().await;
    let node = place.node().await;
    let chat_of = |id: &str, extra: Value| {
        let mut body =
            json!({"model": "kijun-sim", "messages": [{"role": "user", "content": "x"}]});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        line(id, Operation::ChatCompletions, &body)
    };
    let lines = [
        chat("good", "sim: say Yes."),
        chat_of("no-model", json!({"model": "nobody"})),
        chat("bad", "sim: fail 400 message=\"Not like this\""),
        chat_of("streamed", json!({"stream": true})),
        chat("broke", "sim: fail 429 code=insufficient_quota"),
    ];
    let made = node.create(Operation::ChatCompletions, &lines.concat()).await;
    let batch = node.over(&made.id).await;
    assert_eq!(batch.status, BatchStatus::Completed);
    assert_eq!((batch.counts.completed, batch.counts.failed), (1, 4));
    assert_eq!(custom_ids(&node.output(&batch).await), ["good"]);
    let errors = node.errors(&batch).await;
    let told: Vec<_> = errors
        .iter()
        .map(|line| {
            assert_eq!(line["error"], Value::Null);
            let response = &line["response"];
            let said = &response["body"]["error"];
            let code = said["code"].as_str().unwrap_or_default();
            (line["custom_id"].as_str().unwrap(), response["status_code"].as_u64().unwrap(), code)
        })
        .collect();
    let expected = [
        ("no-model", 404, "model_not_found"),
        ("bad", 400, ""),
        ("streamed", 400, "unsupported_parameter"),
        ("broke", 429, "insufficient_quota"),
    ];
    assert_eq!(told.len(), expected.len());
    for ((id, status, code), (wanted_id, wanted_status, wanted_code)) in told.iter().zip(expected) {
        assert_eq!((*id, *status), (wanted_id, wanted_status), "{errors:?}");
        assert!(wanted_code.is_empty() || *code == wanted_code, "{errors:?}");
    }
}

#[tokio::test]
async fn a_wrong_input_file_fails_the_batch() {
    let place = Place::new().await;
    let node = place.node().await;
    let text = format!("{}nonsense\n{}", chat("a", "x"), chat("a", "x"));
    let made = node.create(Operation::ChatCompletions, &text).await;
    let batch = node.over(&made.id).await;
    assert_eq!((batch.status, batch.counts.total), (BatchStatus::Failed, 0));
    let errors: Value = serde_json::from_str(&batch.errors.unwrap()).unwrap();
    assert_eq!((&errors[0]["code"], &errors[0]["line"]), (&json!("invalid_json_line"), &json!(2)));
    assert_eq!(
        (&errors[1]["code"], &errors[1]["line"]),
        (&json!("duplicate_custom_id"), &json!(3))
    );
    assert_eq!(errors.as_array().unwrap().len(), 2);
    assert!(place.records(&[&node]).await.is_empty(), "nothing was asked");
}

#[tokio::test]
async fn a_request_that_cannot_be_is_refused_at_once() {
    let place = Place::new().await;
    let node = place.node().await;
    let input = node.upload(&chats(1), FilePurpose::Batch).await;
    let other = node.upload(&chats(1), FilePurpose::UserData).await;
    let right = wanted(input, Operation::Embeddings);
    for (wrong, at) in [
        (batches::Wanted { input_file: "file-nothing".into(), ..right.clone() }, "input_file_id"),
        (batches::Wanted { input_file: other, ..right.clone() }, "input_file_id"),
        (batches::Wanted { endpoint: "/v1/images".to_owned(), ..right.clone() }, "endpoint"),
        (
            batches::Wanted { completion_window: "1h".to_owned(), ..right.clone() },
            "completion_window",
        ),
        (
            batches::Wanted { output_lifetime_secs: Some(60), ..right.clone() },
            "output_expires_after.seconds",
        ),
    ] {
        match node.ask(wrong).await {
            Err(BatchError::Invalid { param, .. }) => assert_eq!(param, at),
            other => panic!("{at}: {other:?}"),
        }
    }
    assert!(node.ask(right).await.is_ok());
}
