"""Responses, streamed: the events in their order, and the SDK's helpers that rely on it."""

import json

import httpx2
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

import events
import sim
from kijun import Kijun

TEXT = "Grüße, 世界 🌍, and some more words."


class Verdict(BaseModel):
    label: str
    certainty: int


def streamed(client: OpenAI, *lines: str, **more) -> list[dict]:
    stream = client.responses.create(model=sim.CHAT, input="\n".join(lines), stream=True, **more)
    return [event.to_dict() for event in stream]


@pytest.mark.parametrize("script", [
    [f"sim: say {json.dumps(TEXT)}"],
    ["sim: reason One thing after another.", 'sim: say "So."'],
    ["sim: refuse I would rather not."],
    ['sim: tool get_weather {"city": "京都"}'],
    ['sim: tool get_weather {"city": "Rome"}', 'sim: tool get_weather {"city": "Oslo"}'],
    ["sim: reason I need the weather.", 'sim: tool get_weather {"city": "Rome"}'],
    ["sim: tokens 300"],
    ['sim: say ""'],
], ids=["text", "reasoning", "refusal", "tool", "two-tools", "reasoning-tool", "long", "empty"])
def test_events_come_in_their_order(client: OpenAI, script: list[str]) -> None:
    closing = events.check(streamed(client, *script, tools=[sim.WEATHER]))
    assert closing["status"] == "completed"
    kept = client.responses.retrieve(closing["id"]).to_dict()
    assert kept["output"] == closing["output"] and kept["usage"] == closing["usage"]


def test_an_answer_that_is_cut_off_ends_incomplete(client: OpenAI) -> None:
    closing = events.check(streamed(client, "sim: tokens 100", max_output_tokens=20))
    assert closing["status"] == "incomplete"
    assert closing["incomplete_details"] == {"reason": "max_output_tokens"}


def test_the_usage_is_the_providers(client: OpenAI) -> None:
    script = ["sim: tokens 40", "sim: cached 2", "one two three four"]
    whole = client.responses.create(model=sim.CHAT, input="\n".join(script))
    assert whole.usage.output_tokens == 40 and whole.usage.input_tokens_details.cached_tokens == 2
    assert events.check(streamed(client, *script))["usage"] == whole.usage.to_dict()


def test_an_upstream_that_breaks_ends_in_failure(client: OpenAI) -> None:
    stream = client.responses.create(
        model=sim.FAILING, input="sim: tokens 20\nsim: break after=5", stream=True
    )
    closing = events.check(event.to_dict() for event in stream)
    assert closing["status"] == "failed" and closing["error"]["message"]
    assert client.responses.retrieve(closing["id"]).status == "failed"


def test_what_fails_before_the_first_event_is_an_http_error(client: OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as error:
        client.responses.create(model=sim.FAILING, input="sim: fail 503", stream=True)
    assert error.value.status_code == 503
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="no-such-model", input="Hello", stream=True)


def test_the_wire_is_named_server_sent_events(node: Kijun) -> None:
    answer = httpx2.post(
        f"{node.base_url}/responses",
        headers={"authorization": f"Bearer {node.api_key}"},
        json={"model": sim.CHAT, "input": 'sim: say "a b"', "stream": True},
    )
    assert answer.headers["content-type"].startswith("text/event-stream")
    closing = events.check(events.read(answer.text))
    assert closing["output"][0]["content"][0]["text"] == "a b"


def test_events_are_not_held_back(client: OpenAI) -> None:
    """The model waits for ever after its fifth piece: what comes at all came at once."""
    stream = client.responses.create(
        model=sim.CHAT, input="sim: tokens 20\nsim: hang after=5", stream=True
    )
    deltas = (event for event in stream if event.type == "response.output_text.delta")
    assert "".join(next(deltas).delta for _ in range(3)).startswith("w1")
    stream.close()


def test_the_stream_helper_gathers_the_response(client: OpenAI) -> None:
    with client.responses.stream(model=sim.CHAT, input=f'sim: say "{TEXT}"') as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert snapshots[-1] == final.output_text == TEXT
    assert all(later.startswith(earlier) for earlier, later in zip(snapshots, snapshots[1:]))


def test_the_stream_helper_parses_into_a_model(client: OpenAI) -> None:
    with client.responses.stream(model=sim.CHAT, input="A verdict, please.", text_format=Verdict) as stream:
        final = stream.get_final_response()
    assert isinstance(final.output_parsed, Verdict)


def test_the_stream_helper_gathers_arguments(client: OpenAI) -> None:
    arguments = {"city": "x" * 3_000}
    with client.responses.stream(
        model=sim.CHAT, input=f"sim: tool get_weather {json.dumps(arguments)}", tools=[sim.WEATHER]
    ) as stream:
        snapshots = [
            event.snapshot for event in stream if event.type == "response.function_call_arguments.delta"
        ]
        (call,) = stream.get_final_response().output
    assert json.loads(snapshots[-1]) == json.loads(call.arguments) == arguments


@pytest.mark.anyio
async def test_the_async_client_streams(async_client: AsyncOpenAI) -> None:
    stream = await async_client.responses.create(
        model=sim.CHAT, input=f'sim: say "{TEXT}"', stream=True
    )
    closing = events.check([event.to_dict() async for event in stream])
    assert closing["output"][0]["content"][0]["text"] == TEXT
    async with async_client.responses.stream(model=sim.CHAT, input=f'sim: say "{TEXT}"') as helper:
        assert (await helper.get_final_response()).output_text == TEXT
