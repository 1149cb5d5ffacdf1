"""What surrounds the calls: headers, idempotency, compression, the description of the API."""

import gzip
import json
import re

import httpx2
import pytest
from openai import APIStatusError, OpenAI

import sim
from kijun import Kijun

DURATION = re.compile(r"(\d+h)?(\d+m)?(\d+(\.\d+)?s)?(\d+ms)?")


def test_headers_of_a_call(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=sim.CHAT, messages=sim.ask('sim: say "hi"')
    )
    assert raw.request_id.startswith("req_")
    assert raw.parse()._request_id == raw.request_id
    assert float(raw.headers["openai-processing-ms"]) >= 0
    for measure, amount in (("requests", 100_000), ("tokens", 100_000_000)):
        assert int(raw.headers[f"x-ratelimit-limit-{measure}"]) == amount
        assert 0 < int(raw.headers[f"x-ratelimit-remaining-{measure}"]) <= amount
        assert DURATION.fullmatch(raw.headers[f"x-ratelimit-reset-{measure}"])


def test_request_ids_differ(client: OpenAI) -> None:
    ids = {client.models.with_raw_response.list().request_id for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.parametrize("stream", [False, True])
def test_an_idempotency_key_gets_the_first_answer_again(client: OpenAI, stream: bool) -> None:
    def call(key: str) -> str:
        answer = client.chat.completions.create(
            model=sim.CHAT, messages=sim.ask("Hello"), stream=stream,
            extra_headers={"idempotency-key": key},
        )
        return next(iter(answer)).id if stream else answer.id

    first = call(f"same-{stream}")
    assert call(f"same-{stream}") == first
    assert call(f"other-{stream}") != first


def test_an_idempotency_key_is_not_for_another_request(client: OpenAI) -> None:
    headers = {"idempotency-key": "one-key-two-requests"}
    client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask("one"), extra_headers=headers
    )
    with pytest.raises(APIStatusError) as error:
        client.chat.completions.create(
            model=sim.CHAT, messages=sim.ask("two"), extra_headers=headers
        )
    assert error.value.status_code in (400, 409, 422)


def test_a_compressed_body(node: Kijun) -> None:
    body = json.dumps({"model": sim.CHAT, "messages": sim.ask('sim: say "unpacked"')}).encode()
    answer = httpx2.post(
        f"{node.base_url}/chat/completions",
        headers={
            "authorization": f"Bearer {node.api_key}",
            "content-type": "application/json",
            "content-encoding": "gzip",
        },
        content=gzip.compress(body),
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == "unpacked"


def test_a_body_in_pieces(node: Kijun) -> None:
    body = json.dumps({"model": sim.CHAT, "messages": sim.ask('sim: say "whole"')}).encode()
    answer = httpx2.post(
        f"{node.base_url}/chat/completions",
        headers={"authorization": f"Bearer {node.api_key}", "content-type": "application/json"},
        content=(body[at:at + 7] for at in range(0, len(body), 7)),
    )
    assert answer.json()["choices"][0]["message"]["content"] == "whole"


def test_the_description_names_every_route(node: Kijun) -> None:
    description = httpx2.get(f"{node.origin}/openapi.json").json()
    assert description["openapi"].startswith("3.")
    assert description["paths"].keys() >= {
        "/v1/models", "/v1/models/{model}", "/v1/chat/completions", "/v1/completions",
        "/v1/embeddings", "/v1/moderations",
        "/v1/organization/usage/completions", "/v1/organization/usage/embeddings",
    }


def test_the_probes_need_no_key(node: Kijun) -> None:
    for path in ("/healthz", "/readyz"):
        assert httpx2.get(node.origin + path).status_code == 200
