"""Chat Completions, streamed."""

import time

import httpx2
import pytest
from openai import APIError, AsyncOpenAI, OpenAI

import sim
from kijun import Kijun

TEXT = "Grüße, 世界 🌍, and some more words."


def said(chunks: list) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_the_pieces_make_the_answer(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask(f'sim: say "{TEXT}"'), stream=True
    ))
    assert said(chunks) == TEXT
    assert len(chunks) > 3, "an answer in one piece is no stream"
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert [reason for reason in reasons if reason] == ["stop"]


def test_usage_stays_hidden_unless_asked_for(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask('sim: say "hi"'), stream=True
    ))
    assert all(chunk.usage is None for chunk in chunks)
    assert all(chunk.choices for chunk in chunks), "the usage chunk has no choices"


def test_usage_comes_last_when_asked_for(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask("sim: tokens 7"), stream=True,
        stream_options={"include_usage": True},
    ))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 7
    assert all(chunk.usage is None for chunk in chunks[:-1])


@pytest.mark.anyio
async def test_the_async_client_streams(async_client: AsyncOpenAI) -> None:
    stream = await async_client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask(f'sim: say "{TEXT}"'), stream=True
    )
    assert said([chunk async for chunk in stream]) == TEXT


def test_reasoning_streams_under_both_names(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask('sim: reason "step by step"', 'sim: say "so"'), stream=True
    ))
    for name in ("reasoning", "reasoning_content"):
        deltas = [chunk.choices[0].delta.model_extra.get(name) for chunk in chunks if chunk.choices]
        assert "".join(filter(None, deltas)) == "step by step", name
    assert said(chunks) == "so"


def test_several_choices_stream_side_by_side(client: OpenAI) -> None:
    texts: dict[int, str] = {}
    for chunk in client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask('sim: say "each of two"'), n=2, stream=True
    ):
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
    assert texts == {0: "each of two", 1: "each of two"}


def test_events_are_not_held_back(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask("sim: tokens 5", "sim: pace 100ms"), stream=True
    )
    started = time.monotonic()
    next(iter(stream))
    first = time.monotonic() - started
    list(stream)
    whole = time.monotonic() - started
    assert first < whole / 2, "the first event waited for the others"


def test_the_wire_is_plain_server_sent_events(node: Kijun) -> None:
    answer = httpx2.post(
        f"{node.base_url}/chat/completions",
        headers={"authorization": f"Bearer {node.api_key}"},
        json={"model": sim.CHAT, "messages": sim.ask('sim: say "a b"'), "stream": True},
    )
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [event for event in answer.text.split("\n\n") if event]
    assert all(event.startswith("data: ") for event in events)
    assert events[-1] == "data: [DONE]"


def test_a_broken_stream_is_an_error_and_not_an_end(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model=sim.FAILING, messages=sim.ask("sim: tokens 20", "sim: break after=5"), stream=True
    )
    with pytest.raises((APIError, httpx2.HTTPError)):
        list(stream)


def test_a_cancelled_stream_leaves_the_node_well(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask("sim: tokens 100000", "sim: pace 10ms"), stream=True
    )
    for _, _chunk in zip(range(3), stream):
        pass
    stream.close()
    answer = client.chat.completions.create(model=sim.CHAT, messages=sim.ask('sim: say "still here"'))
    assert answer.choices[0].message.content == "still here"
