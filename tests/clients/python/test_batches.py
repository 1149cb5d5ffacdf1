"""Batches with the official SDK: made, polled, read, wrong, cancelled."""

import json
import time
from typing import Any

import pytest
from openai import BadRequestError, ConflictError, NotFoundError, OpenAI
from openai.types import Batch

import sim

CHAT = "/v1/chat/completions"
UNDER_WAY = {"validating", "in_progress", "finalizing", "cancelling"}


def line(custom_id: str, url: str, body: dict[str, Any]) -> str:
    request = {"custom_id": custom_id, "method": "POST", "url": url, "body": body}
    return json.dumps(request) + "\n"


def chat(custom_id: str, message: str) -> str:
    messages = [{"role": "user", "content": message}]
    return line(custom_id, CHAT, {"model": sim.CHAT, "messages": messages})


def create(client: OpenAI, endpoint: Any, lines: list[str], **more: Any) -> Batch:
    file = client.files.create(file=("lines.jsonl", "".join(lines).encode()), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint=endpoint, completion_window="24h", **more
    )


def over(client: OpenAI, batch: Batch) -> Batch:
    until = time.monotonic() + 60
    while batch.status in UNDER_WAY:
        assert time.monotonic() < until, batch
        time.sleep(0.05)
        batch = client.batches.retrieve(batch.id)
    return batch


def read(client: OpenAI, file: str | None) -> list[dict[str, Any]]:
    assert file is not None
    return [json.loads(line) for line in client.files.content(file).text.splitlines()]


def test_a_batch_is_made_polled_and_read(client: OpenAI) -> None:
    lines = [chat(f"line-{n}", f"sim: say Answer {n}.") for n in range(100)]
    batch = create(
        client,
        CHAT,
        lines,
        metadata={"customer": "7"},
        output_expires_after={"anchor": "created_at", "seconds": 7200},
    )
    assert (batch.object, batch.endpoint, batch.completion_window) == ("batch", CHAT, "24h")
    assert batch.expires_at == batch.created_at + 86_400
    batch = over(client, batch)
    assert (batch.status, batch.errors, batch.error_file_id) == ("completed", None, None)
    assert batch.metadata == {"customer": "7"}
    assert batch.model == sim.CHAT
    assert batch.request_counts is not None
    assert batch.request_counts.model_dump() == {"total": 100, "completed": 100, "failed": 0}
    answers = read(client, batch.output_file_id)
    assert [answer["custom_id"] for answer in answers] == [f"line-{n}" for n in range(100)]
    for n, answer in enumerate(answers):
        assert set(answer) == {"id", "custom_id", "response", "error"}
        response = answer["response"]
        assert (response["status_code"], answer["error"]) == (200, None)
        assert response["request_id"].startswith("req_")
        assert response["body"]["choices"][0]["message"]["content"] == f"Answer {n}."
    used = sum(answer["response"]["body"]["usage"]["total_tokens"] for answer in answers)
    assert batch.usage is not None and batch.usage.total_tokens == used
    output = client.files.retrieve(batch.output_file_id or "")
    assert (output.purpose, output.expires_at) == ("batch_output", output.created_at + 7200)
    assert batch.id in [listed.id for listed in client.batches.list(limit=5)]


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("/v1/responses", {"model": sim.CHAT, "input": "Hello"}),
        ("/v1/completions", {"model": sim.CHAT, "prompt": "Hello"}),
        ("/v1/embeddings", {"model": sim.EMBEDDING, "input": "Hello"}),
        ("/v1/moderations", {"model": sim.MODERATION, "input": "Hello"}),
    ],
)
def test_every_endpoint_has_batches(client: OpenAI, endpoint: str, body: dict[str, Any]) -> None:
    batch = over(client, create(client, endpoint, [line("a", endpoint, body)]))
    assert batch.status == "completed", batch
    (answer,) = read(client, batch.output_file_id)
    assert answer["response"]["status_code"] == 200
    if endpoint == "/v1/responses":
        kept = client.responses.retrieve(answer["response"]["body"]["id"])
        assert kept.status == "completed", "a response of a batch is kept like any other"


def test_what_failed_is_in_the_error_file(client: OpenAI) -> None:
    lines = [
        chat("good", "sim: say Yes."),
        chat("bad", "sim: fail 400"),
        line("unknown", CHAT, {"model": "nobody", "messages": [{"role": "user", "content": "x"}]}),
    ]
    batch = over(client, create(client, CHAT, lines))
    assert batch.status == "completed" and batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 2)
    assert [answer["custom_id"] for answer in read(client, batch.output_file_id)] == ["good"]
    errors = read(client, batch.error_file_id)
    told = [(error["custom_id"], error["response"]["status_code"]) for error in errors]
    assert told == [("bad", 400), ("unknown", 404)]
    assert errors[1]["response"]["body"]["error"]["code"] == "model_not_found"


def test_a_wrong_file_fails_the_batch(client: OpenAI) -> None:
    batch = over(client, create(client, CHAT, [chat("a", "x"), "nonsense\n", chat("a", "x")]))
    assert batch.status == "failed"
    assert batch.errors is not None and batch.errors.data is not None
    told = [(error.code, error.line) for error in batch.errors.data]
    assert told == [("invalid_json_line", 2), ("duplicate_custom_id", 3)]


def test_a_wrong_request_is_refused(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as error:
        client.batches.create(
            input_file_id="file-none", endpoint=CHAT, completion_window="24h"
        )
    assert error.value.body["param"] == "input_file_id"
    with pytest.raises(BadRequestError) as error:
        create(client, "/v1/nonsense", [chat("a", "x")])
    assert error.value.body["code"] == "invalid_value"
    with pytest.raises(NotFoundError):
        client.batches.retrieve("batch_none")


def test_a_batch_is_cancelled(client: OpenAI) -> None:
    lines = [chat(f"line-{n}", "sim: delay 50ms\nHello") for n in range(2_000)]
    batch = create(client, CHAT, lines)
    until = time.monotonic() + 60
    while batch.request_counts is None or batch.request_counts.completed == 0:
        assert time.monotonic() < until, batch
        time.sleep(0.05)
        batch = client.batches.retrieve(batch.id)
    batch = client.batches.cancel(batch.id)
    assert batch.status == "cancelling" and batch.cancelling_at is not None
    batch = over(client, batch)
    assert batch.status == "cancelled" and batch.cancelled_at is not None
    assert batch.request_counts is not None
    assert len(read(client, batch.output_file_id)) == batch.request_counts.completed < 2_000
    assert client.batches.cancel(batch.id).status == "cancelled"
    done = over(client, create(client, CHAT, [chat("a", "x")]))
    with pytest.raises(ConflictError) as error:
        client.batches.cancel(done.id)
    assert "status 'completed'" in error.value.body["message"]
