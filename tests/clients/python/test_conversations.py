"""Conversations and their items."""

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

import sim


def message(text: str, role: str = "user") -> dict:
    return {"type": "message", "role": role, "content": text}


def test_a_conversation_lives_and_ends(client: OpenAI) -> None:
    made = client.conversations.create(metadata={"topic": "demo"}, items=[message("Hello!")])
    assert made.id.startswith("conv_")
    assert made.object == "conversation"
    assert made.metadata == {"topic": "demo"}
    assert client.conversations.retrieve(made.id) == made
    updated = client.conversations.update(made.id, metadata={"topic": "other"})
    assert updated.metadata == {"topic": "other"}
    deleted = client.conversations.delete(made.id)
    assert (deleted.id, deleted.deleted) == (made.id, True)
    with pytest.raises(NotFoundError):
        client.conversations.retrieve(made.id)


def test_items_are_paged_from_either_end(client: OpenAI) -> None:
    conversation = client.conversations.create().id
    texts = [f"number {number}" for number in range(30)]
    for start in (0, 15):
        items = [message(text) for text in texts[start : start + 15]]
        added = client.conversations.items.create(conversation, items=items)
        assert [item.content[0].text for item in added.data] == texts[start : start + 15]
        assert (added.first_id, added.last_id) == (added.data[0].id, added.data[-1].id)
    for order, expected in [("asc", texts), ("desc", texts[::-1])]:
        found = client.conversations.items.list(conversation, order=order, limit=7)
        assert [item.content[0].text for item in found] == expected
    newest = client.conversations.items.list(conversation, limit=1)
    assert newest.data[0].content[0].text == texts[-1]
    assert newest.has_more


def test_items_of_every_kind(client: OpenAI) -> None:
    items = [
        {"role": "developer", "content": "Be brief."},
        message("Hi", "assistant"),
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
        ]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "5"},
        {"type": "reasoning", "id": "rs_0123456789", "summary": []},
    ]
    conversation = client.conversations.create(items=items).id
    listed = client.conversations.items.list(conversation, order="asc").data
    assert [item.type for item in listed] == [
        "message", "message", "message", "function_call", "function_call_output", "reasoning",
    ]
    for item in listed:
        assert client.conversations.items.retrieve(item.id, conversation_id=conversation) == item
    left = client.conversations.items.delete(listed[0].id, conversation_id=conversation)
    assert left.id == conversation
    with pytest.raises(NotFoundError):
        client.conversations.items.retrieve(listed[0].id, conversation_id=conversation)


def test_what_is_wrong_is_named(client: OpenAI) -> None:
    conversation = client.conversations.create().id
    with pytest.raises(BadRequestError) as error:
        client.conversations.items.create(conversation, items=[message("x")] * 21)
    assert (error.value.param, error.value.code) == ("items", "array_above_max_length")
    with pytest.raises(BadRequestError) as error:
        client.conversations.create(metadata={str(number): "x" for number in range(17)})
    assert error.value.param == "metadata"
    with pytest.raises(NotFoundError) as missing:
        client.conversations.items.list("conv_nothing")
    assert "conv_nothing" in missing.value.message


def test_a_response_reads_and_extends_its_conversation(client: OpenAI) -> None:
    conversation = client.conversations.create(items=[message("My name is Ada.")]).id
    answer = client.responses.create(
        model=sim.CHAT, input='sim: say "Hello, Ada."', conversation=conversation
    )
    assert answer.output_text == "Hello, Ada."
    listed = client.conversations.items.list(conversation, order="asc").data
    assert [item.role for item in listed] == ["user", "user", "assistant"]
    assert listed[-1].content[0].text == "Hello, Ada."
