"""Chat Completions that are stored."""

from uuid import uuid4

import pytest
from openai import NotFoundError, OpenAI

import sim


def stored(client: OpenAI, *lines: str, **more):
    return client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask(*lines), store=True, **more
    )


def test_a_stored_answer_is_found_again(client: OpenAI) -> None:
    answer = stored(client, 'sim: say "Hello"', metadata={"topic": "demo"})
    found = client.chat.completions.retrieve(answer.id)
    assert found.choices == answer.choices
    assert found.usage == answer.usage
    assert found.metadata == {"topic": "demo"}
    updated = client.chat.completions.update(answer.id, metadata={"topic": "other"})
    assert updated.metadata == {"topic": "other"}
    deleted = client.chat.completions.delete(answer.id)
    assert (deleted.id, deleted.deleted) == (answer.id, True)
    with pytest.raises(NotFoundError):
        client.chat.completions.retrieve(answer.id)


def test_a_stream_is_stored_as_the_answer_that_it_makes(client: OpenAI) -> None:
    text, ids, tools = "", set(), 0
    for chunk in stored(
        client, 'sim: say "one two three"', "sim: tool get_time {}", stream=True
    ):
        ids.add(chunk.id)
        assert chunk.usage is None and len(chunk.choices) == 1
        text += chunk.choices[0].delta.content or ""
        tools += len(chunk.choices[0].delta.tool_calls or [])
    (answer,) = ids
    found = client.chat.completions.retrieve(answer)
    assert found.choices[0].message.content == text == "one two three"
    assert found.choices[0].message.tool_calls[0].function.name == "get_time"
    assert found.usage.completion_tokens > 0


def test_stored_answers_are_listed_and_filtered(client: OpenAI) -> None:
    run = uuid4().hex
    ids = [
        stored(client, "Hello", metadata={"run": run, "number": str(number)}).id
        for number in range(5)
    ]
    found = client.chat.completions.list(model=sim.CHAT, metadata={"run": run}, limit=2)
    assert [completion.id for completion in found] == ids
    newest = client.chat.completions.list(metadata={"run": run}, order="desc", limit=1)
    assert [completion.id for completion in newest.data] == ids[-1:]
    one = client.chat.completions.list(metadata={"run": run, "number": "3"})
    assert [completion.id for completion in one] == [ids[3]]


def test_what_is_not_to_be_stored_is_not(client: OpenAI) -> None:
    for store in (False, None):
        answer = client.chat.completions.create(
            model=sim.CHAT, messages=sim.ask("Hello"), store=store
        )
        with pytest.raises(NotFoundError):
            client.chat.completions.retrieve(answer.id)


def test_messages_are_listed(client: OpenAI, lenient: OpenAI) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
    ]
    answer = client.chat.completions.create(model=sim.CHAT, messages=messages, store=True)
    # The SDK's type of a message knows only the assistant's.
    system, user = lenient.chat.completions.messages.list(answer.id).data
    assert (system.id, system.content) == (f"{answer.id}-0", "Be brief.")
    assert (user.content, user.content_parts[0].text) == (None, "Hello")
