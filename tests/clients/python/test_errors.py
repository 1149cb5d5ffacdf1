"""Errors arrive as the SDK's own exceptions, with what would mend them."""

import httpx2
import openai
import pytest
from openai import OpenAI

import sim
from kijun import Kijun


def chat(client: OpenAI, *lines: str, model: str = sim.CHAT, **more):
    return client.chat.completions.create(model=model, messages=sim.ask(*lines), **more)


def test_a_wrong_key_is_refused_and_not_repeated(client: OpenAI) -> None:
    secret = "sk-no-such-key-0123456789abcdefghij"
    with pytest.raises(openai.AuthenticationError) as error:
        chat(client.with_options(api_key=secret), "Hello")
    assert error.value.code == "invalid_api_key"
    assert secret not in str(error.value)


def test_a_missing_key_is_refused(node: Kijun) -> None:
    answer = httpx2.get(f"{node.base_url}/models")
    assert answer.status_code == 401
    assert answer.json()["error"].keys() >= {"message", "type", "param", "code"}


def test_an_admin_key_calls_no_model(client: OpenAI, node: Kijun) -> None:
    with pytest.raises((openai.AuthenticationError, openai.PermissionDeniedError)):
        chat(client.with_options(api_key=node.admin_key), "Hello")


def test_an_unknown_model_is_named(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        client.chat.completions.create(model="no-such-model", messages=sim.ask("Hello"))
    assert error.value.code == "model_not_found"
    assert "no-such-model" in error.value.message


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b'{"model": 7}', b'{"model": "scripted"}', b'{"model": "scripted", "messages": "x"}',
    b'{"model": "scripted", "messages": [{"role": "wizard", "content": "x"}]}', b"\xff\xfe",
])
def test_a_malformed_request_is_the_callers_fault(node: Kijun, body: bytes) -> None:
    answer = httpx2.post(
        f"{node.base_url}/chat/completions",
        headers={"authorization": f"Bearer {node.api_key}", "content-type": "application/json"},
        content=body,
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"]


def test_a_wrong_parameter_is_named(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        chat(client, "Hello", top_logprobs=3)
    assert error.value.param == "top_logprobs"


def test_a_providers_rate_limit_comes_through(client: OpenAI) -> None:
    with pytest.raises(openai.RateLimitError) as error:
        chat(
            client,
            'sim: fail 429 retry-after=7 code=rate_limit_exceeded message="slow down"',
            model=sim.FAILING,
        )
    assert error.value.response.headers["retry-after"] == "7"
    assert error.value.code == "rate_limit_exceeded"
    assert "slow down" in error.value.message


def test_a_limit_of_ours_says_which_it_is(client: OpenAI) -> None:
    def call():
        return chat(client, 'sim: say "let in"', model=sim.NARROW)

    assert call().choices[0].message.content == "let in"
    assert call().choices[0].message.content == "let in"
    with pytest.raises(openai.RateLimitError) as error:
        call()
    message = error.value.message
    assert "2" in message and "requests" in message and sim.NARROW in message
    assert 0 < int(error.value.response.headers["retry-after"]) <= 60


@pytest.mark.parametrize(("status", "expected"), [
    (400, openai.BadRequestError),
    (409, openai.ConflictError),
    (422, openai.UnprocessableEntityError),
    (500, openai.InternalServerError),
    (503, openai.InternalServerError),
])
def test_a_providers_status_comes_through(client: OpenAI, status: int, expected: type) -> None:
    with pytest.raises(expected) as error:
        chat(client, f'sim: fail {status} message="as scripted"', model=sim.FAILING)
    assert error.value.status_code == status
    assert "as scripted" in error.value.message


def test_what_fails_once_is_tried_again_here(client: OpenAI) -> None:
    """Without the client's retries: Kijun makes the second attempt before the first byte."""
    answer = chat(client, "sim: fail 503 times=1", 'sim: say "at last"', model=sim.FAILING)
    assert answer.choices[0].message.content == "at last"


def test_a_wrong_directive_says_how_to_write_it(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        chat(client, "sim: sing")
    assert "docs/kijun-sim.md" in error.value.message


def test_an_unknown_path_is_an_error_in_the_apis_form(node: Kijun) -> None:
    answer = httpx2.get(
        f"{node.base_url}/no/such/path", headers={"authorization": f"Bearer {node.api_key}"}
    )
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "invalid_request_error"
