"""The cases of the Open Responses specification, on the scripted model and on an upstream that
knows Chat Completions alone. Every object and every event is held against the specification's
shapes."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from websockets.sync.client import connect

import events
import kijun
import sim
from kijun import Kijun
from open_responses import EVENTS, Compacted, Response

# A second Kijun plays the upstream: to the first it is a server of the name vLLM, which has Chat
# Completions and no Responses.
CHAT_ONLY = """
[discovery]
environment = false
local_servers = false

[[providers]]
name = "chats"
kind = "openai"
quirks = "vllm"
base_url = "{base_url}"
api_key = "{api_key}"

[[models]]
name = "scripted"
targets = [{{ provider = "chats", model = "scripted", weight = 1 }}]
"""
WEATHER = {name: value for name, value in sim.WEATHER.items() if name != "strict"}
DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="


@pytest.fixture(scope="module")
def chat_only(node: Kijun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kijun]:
    config = CHAT_ONLY.format(base_url=node.base_url, api_key=node.api_key)
    with kijun.serve(tmp_path_factory.mktemp("chat-only"), config) as running:
        yield running


@pytest.fixture(params=["node", "chat_only"])
def server(request: pytest.FixtureRequest) -> Kijun:
    return request.getfixturevalue(request.param)


def message(role: str, content: object, **more) -> dict:
    return {"type": "message", "role": role, "content": content, **more}


def post(server: Kijun, path: str, body: dict) -> httpx2.Response:
    headers = {"authorization": f"Bearer {server.api_key}"}
    return httpx2.post(f"{server.base_url}{path}", headers=headers, json=body, timeout=30)


def respond(server: Kijun, **request) -> dict:
    """A whole answer in the specification's shape."""
    answer = post(server, "/responses", {"model": sim.CHAT, **request})
    assert answer.status_code == 200, answer.text
    Response.model_validate(answer.json())
    return answer.json()


class Socket:
    def __init__(self, server: Kijun) -> None:
        url = server.base_url.replace("http", "ws", 1) + "/responses"
        headers = {"authorization": f"Bearer {server.api_key}"}
        self.raw = connect(url, additional_headers=headers)

    def __enter__(self) -> "Socket":
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.close()

    def turn(self, **request) -> list[dict]:
        self.raw.send(json.dumps({"type": "response.create", "model": sim.CHAT, **request}))
        seen = []
        while not seen or seen[-1]["type"] not in events.OVER | {"error"}:
            seen.append(json.loads(self.raw.recv(timeout=30)))
            EVENTS.validate_python(seen[-1])
        return seen

    def response(self, **request) -> dict:
        closing = events.check(self.turn(**request))
        assert closing["status"] == "completed"
        return closing

    def code(self, **request) -> str | None:
        """The error that a turn ends in."""
        last = self.turn(**request)[-1]
        return (last.get("error") or last["response"]["error"])["code"]


def test_basic_response(server: Kijun) -> None:
    response = respond(server, input=[message("user", "Say hello in exactly 3 words.")])
    assert response["status"] == "completed" and response["output"]


def test_assistant_phase(server: Kijun) -> None:
    response = respond(server, input=[
        message("assistant", "I should answer with the number.", phase="commentary"),
        message("assistant", "The number is four.", phase="final_answer"),
        message("user", "Repeat only the number."),
    ])
    assert response["status"] == "completed" and response["output"]


@pytest.mark.parametrize("script", [
    "Count from 1 to 5.", "sim: refuse No.", 'sim: tool get_weather {"location": "Rome"}',
    "sim: reason One by one.\nsim: say 12345",
])
def test_streaming_response(server: Kijun, script: str) -> None:
    answer = post(server, "/responses", {
        "model": sim.CHAT, "input": [message("user", script)], "stream": True, "tools": [WEATHER],
    })
    streamed = events.read(answer.text)
    for event in streamed:
        EVENTS.validate_python(event)
    assert events.check(streamed)["status"] == "completed"


def test_system_prompt(server: Kijun) -> None:
    response = respond(server, input=[
        message("system", "You are a pirate. Always respond in pirate speak."),
        message("user", "Say hello."),
    ])
    assert response["status"] == "completed" and response["output"]


def test_tool_calling(server: Kijun) -> None:
    question = message("user", "What's the weather like in San Francisco?")
    response = respond(server, input=[question], tools=[WEATHER])
    assert "function_call" in [item["type"] for item in response["output"]]


def test_function_call_round_trip(server: Kijun) -> None:
    question = message("user", "What's the weather like in San Francisco?")
    first = respond(server, input=[question], tools=[WEATHER])
    (call,) = first["output"]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "14 degrees"}
    second = respond(server, input=[question, call, result], tools=[WEATHER])
    assert "14 degrees" in second["output"][0]["content"][0]["text"]


def test_image_input(server: Kijun) -> None:
    response = respond(server, input=[message("user", [
        {"type": "input_text", "text": "What do you see in this image?"},
        {"type": "input_image", "image_url": DOT},
    ])])
    assert response["status"] == "completed" and response["output"]


def test_multi_turn(server: Kijun) -> None:
    response = respond(server, input=[
        message("user", "My name is Alice."),
        message("assistant", "Hello Alice! How can I help you today?"),
        message("user", "What is my name?"),
    ])
    assert response["status"] == "completed" and response["output"]


def test_previous_response(server: Kijun) -> None:
    rule = message("system", "sim: say by the rule")
    first = respond(server, input=[rule, message("user", "One")])
    second = respond(server, input=[message("user", "Two")], previous_response_id=first["id"])
    assert second["previous_response_id"] == first["id"]
    assert second["output"][0]["content"][0]["text"] == "by the rule"


def test_compaction(server: Kijun) -> None:
    answer = post(server, "/responses/compact", {
        "model": sim.CHAT,
        "prompt_cache_key": "compaction",
        "input": [
            message("user", "We agreed to launch on Tuesday and notify support first."),
            message("assistant", "Understood. The launch is Tuesday, with support notified beforehand."),
        ],
    })
    assert answer.status_code == 200, answer.text
    Compacted.model_validate(answer.json())
    assert "compaction" in [item["type"] for item in answer.json()["output"]]


def test_compaction_needs_a_model(server: Kijun) -> None:
    answer = post(server, "/responses/compact", {"input": [message("user", "Compact this.")]})
    assert answer.status_code == 400


def test_websocket_response(server: Kijun) -> None:
    with Socket(server) as socket:
        assert socket.response(input=[message("user", "Count from 1 to 3.")])["output"]


def test_websocket_sequential_responses(server: Kijun) -> None:
    with Socket(server) as socket:
        for word in ("first", "second"):
            assert socket.response(input=f"Reply with exactly: {word}", store=False)["output"]


def test_websocket_continuation(server: Kijun) -> None:
    with Socket(server) as socket:
        first = socket.response(input="Remember the code word: cobalt. Reply with OK.", store=False)
        second = socket.response(
            input="What is the code word?", store=False, previous_response_id=first["id"]
        )
        assert second["previous_response_id"] == first["id"]


def test_websocket_reconnect(server: Kijun) -> None:
    with Socket(server) as socket:
        first = socket.response(input="Remember the code word: copper. Reply with OK.", store=False)
    with Socket(server) as socket:
        code = socket.code(input="Go on.", store=False, previous_response_id=first["id"])
        assert code == "previous_response_not_found"
        assert socket.response(input=[message("user", "Start anew.")], store=False)["output"]


def test_websocket_previous_response_not_found(server: Kijun) -> None:
    with Socket(server) as socket:
        code = socket.code(input="Go on.", store=False, previous_response_id="resp_missing_1")
        assert code == "previous_response_not_found"


def test_websocket_failed_continuation_evicts(server: Kijun) -> None:
    with Socket(server) as socket:
        first = socket.response(input="Remember the code word: ember. Reply with OK.", store=False)
        *_, last = socket.turn(store=False, previous_response_id=first["id"], input=[
            {"type": "function_call_output", "call_id": "call_missing", "output": "No such call."},
        ])
        assert last["type"] in ("error", "response.failed")
        code = socket.code(input="Go on.", store=False, previous_response_id=first["id"])
        assert code == "previous_response_not_found"


def test_websocket_generate_false(server: Kijun) -> None:
    with Socket(server) as socket:
        warm = socket.response(input="Prepare to answer: warmed", store=False, generate=False)
        assert warm["output"] == []
        answer = socket.response(
            input="Reply with exactly: warmed", store=False, previous_response_id=warm["id"]
        )
        assert answer["output"]


def test_websocket_compact_new_chain(server: Kijun) -> None:
    compacted = post(server, "/responses/compact", {"model": sim.CHAT, "input": [
        message("user", [{"type": "input_text", "text": "Remember the code word: slate."}]),
        message("assistant", [{"type": "output_text", "text": "OK."}]),
        message("user", [{"type": "input_text", "text": "Compress this conversation."}]),
    ]})
    assert compacted.status_code == 200, compacted.text
    with Socket(server) as socket:
        assert socket.response(store=False, tools=[], input=[
            *compacted.json()["output"], message("user", "Continue from here."),
        ])["output"]
