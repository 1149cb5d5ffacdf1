"""Responses over a WebSocket: many turns on one connection, which remembers what is not stored."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.responses import ResponsesServerEvent
from pydantic import TypeAdapter
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import events
import sim
from kijun import Kijun

EVENT: TypeAdapter = TypeAdapter(ResponsesServerEvent)
RULE = {"role": "system", "content": 'sim: say "by the rule"'}


class Socket:
    """The SDK's connection. It does not validate what it receives, so this does."""

    def __init__(self, connection) -> None:
        self.connection = connection

    def turn(self, **request) -> list[dict]:
        """One turn: its events up to the last, or the one error."""
        self.connection.send({"type": "response.create", "model": sim.CHAT, **request})
        seen = []
        while not seen or seen[-1]["type"] not in events.OVER | {"error"}:
            seen.append(json.loads(self.connection.recv_bytes()))
            EVENT.validate_python(seen[-1])
        return seen

    def response(self, **request) -> dict:
        return events.check(self.turn(**request))

    def error(self, **request) -> dict:
        (event,) = self.turn(**request)
        assert event["type"] == "error" and set(event["error"]) >= {"type", "code", "message", "param"}
        return event


@pytest.fixture
def socket(client: OpenAI) -> Iterator[Socket]:
    with open_socket(client) as socket:
        yield socket


@contextmanager
def open_socket(client: OpenAI) -> Iterator[Socket]:
    with client.responses.connect(max_retries=0) as connection:
        yield Socket(connection)


def text(response: dict) -> str:
    return response["output"][-1]["content"][0]["text"]


def test_turns_follow_each_other(socket: Socket) -> None:
    for word in ("first", "second", "third"):
        assert text(socket.response(input=f"sim: say {word}")) == word


def test_the_stream_flag_changes_nothing(socket: Socket) -> None:
    assert text(socket.response(input="sim: say streamed", stream=True)) == "streamed"


def test_a_response_is_kept_as_over_http(client: OpenAI, socket: Socket) -> None:
    made = socket.response(input="sim: say kept")
    assert client.responses.retrieve(made["id"]).output_text == "kept"
    over_http = client.responses.create(model=sim.CHAT, input="And?", previous_response_id=made["id"])
    onwards = socket.response(input="sim: say onwards", previous_response_id=over_http.id)
    assert onwards["previous_response_id"] == over_http.id


def test_the_connection_remembers_what_is_not_stored(client: OpenAI, socket: Socket) -> None:
    first = socket.response(input=[RULE, {"role": "user", "content": "One"}], store=False)
    second = socket.response(input="Two", store=False, previous_response_id=first["id"])
    third = socket.response(input="Three", store=False, previous_response_id=second["id"])
    assert text(third) == "by the rule"
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first["id"])


def test_another_connection_does_not(client: OpenAI, socket: Socket) -> None:
    first = socket.response(input="One", store=False)
    with open_socket(client) as other:
        error = other.error(input="Two", store=False, previous_response_id=first["id"])
        assert error["status"] == 400
        assert error["error"]["code"] == "previous_response_not_found"
        assert error["error"]["param"] == "previous_response_id"
        assert text(other.response(input="sim: say anew", store=False)) == "anew"


@pytest.mark.parametrize("failing", [
    {"input": [{"type": "function_call_output", "call_id": "call_of_nobody", "output": "x"}]},
    {"input": "Two", "model": "no-such-model"},
    {"input": "sim: fail 500", "model": sim.FAILING},
])
def test_a_failed_continuation_is_forgotten(socket: Socket, failing: dict) -> None:
    first = socket.response(input="One", store=False)
    *_, last = socket.turn(**failing, store=False, previous_response_id=first["id"])
    assert last["type"] in ("error", "response.failed")
    again = socket.error(input="Again", store=False, previous_response_id=first["id"])
    assert again["error"]["code"] == "previous_response_not_found"


def test_a_warm_up_says_nothing_and_is_gone_on_with(socket: Socket) -> None:
    warm = socket.response(input=[RULE], store=False, generate=False, tools=[sim.WEATHER])
    assert warm["output"] == [] and warm["status"] == "completed"
    answer = socket.response(input="Now", store=False, previous_response_id=warm["id"])
    assert text(answer) == "by the rule"


def test_a_tool_is_called_and_answered(socket: Socket) -> None:
    first = socket.response(
        input='sim: tool get_weather {"city": "Rome"}', tools=[sim.WEATHER], store=False
    )
    (call,) = first["output"]
    second = socket.response(store=False, tools=[sim.WEATHER], previous_response_id=first["id"], input=[
        {"type": "function_call_output", "call_id": call["call_id"], "output": "21 degrees"},
    ])
    assert "21 degrees" in text(second)


def test_errors_are_nested_and_the_connection_lives_on(socket: Socket) -> None:
    unknown = socket.error(input="Hello", model="no-such-model")
    assert (unknown["status"], unknown["error"]["code"]) == (404, "model_not_found")
    wrong = socket.error(input="Hello", temperature=9)
    assert (wrong["status"], wrong["error"]["param"]) == (400, "temperature")
    assert socket.error(input="Hello", background=True)["error"]["param"] == "background"
    assert text(socket.response(input="sim: say alive")) == "alive"


def test_a_failure_in_mid_stream_ends_the_turn_alone(socket: Socket) -> None:
    failed = socket.response(input="sim: tokens 20\nsim: break after=5", model=sim.FAILING)
    assert failed["status"] == "failed"
    assert text(socket.response(input="sim: say alive")) == "alive"


def test_lanes_run_side_by_side(socket: Socket) -> None:
    """The first lane's model says nothing more, and the second is answered all the same."""
    request = {"type": "response.create", "model": sim.CHAT}
    socket.connection.send({**request, "stream_id": "slow", "input": "sim: tokens 9\nsim: hang after=2"})
    socket.connection.send({**request, "stream_id": "quick", "input": "sim: say quick"})
    quick = []
    while not quick or quick[-1]["type"] not in events.OVER:
        event = json.loads(socket.connection.recv_bytes())
        assert event["stream_id"] in ("slow", "quick")
        if event["stream_id"] == "quick":
            quick.append(event)
    assert text(events.check(quick)) == "quick"


@pytest.mark.parametrize("frame", ["", "{", "[]", '{"type": "response.sing"}', '{"input": "Hello"}'])
def test_a_frame_that_is_no_request_is_answered_with_an_error(node: Kijun, frame: str) -> None:
    url = node.base_url.replace("http", "ws", 1) + "/responses"
    with connect(url, additional_headers={"authorization": f"Bearer {node.api_key}"}) as raw:
        raw.send(frame)
        answer = json.loads(raw.recv(timeout=10))
        assert answer["type"] == "error" and answer["status"] == 400
        assert answer["error"]["type"] == "invalid_request_error"
        raw.send(json.dumps({"type": "response.create", "model": sim.CHAT, "input": "sim: say alive"}))
        assert json.loads(raw.recv(timeout=10))["type"] == "response.created"


def test_a_connection_needs_a_key(node: Kijun) -> None:
    url = node.base_url.replace("http", "ws", 1) + "/responses"
    with pytest.raises(InvalidStatus) as refused:
        connect(url, additional_headers={"authorization": "Bearer sk-nobody"})
    assert refused.value.response.status_code == 401


@pytest.mark.anyio
async def test_the_async_client_connects(async_client: AsyncOpenAI) -> None:
    async with async_client.responses.connect(max_retries=0) as connection:
        await connection.response.create(model=sim.CHAT, input="sim: say asynchronous")
        seen = []
        async for event in connection:
            seen.append(event.to_dict())
            if event.type == "response.completed":
                break
    assert text(events.check(seen)) == "asynchronous"
