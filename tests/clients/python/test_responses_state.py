"""Responses: what came before. A directive in a system message acts only where that message
reaches the model, and the scripted model's count of tokens shows the rest."""

import openai
import pytest
from openai import OpenAI

import sim

RULE = {"role": "system", "content": 'sim: say "by the rule"'}


def test_a_chain_carries_what_was_said(client: OpenAI) -> None:
    first = client.responses.create(model=sim.CHAT, input=[RULE, {"role": "user", "content": "One"}])
    second = client.responses.create(model=sim.CHAT, input="Two", previous_response_id=first.id)
    third = client.responses.create(model=sim.CHAT, input="Three", previous_response_id=second.id)
    assert third.output_text == "by the rule" and third.previous_response_id == second.id
    whole = client.responses.create(model=sim.CHAT, input=[
        RULE,
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": first.output_text},
        {"role": "user", "content": "Two"},
        {"role": "assistant", "content": second.output_text},
        {"role": "user", "content": "Three"},
    ])
    assert third.usage.input_tokens == whole.usage.input_tokens


def test_a_chain_branches(client: OpenAI) -> None:
    root = client.responses.create(model=sim.CHAT, input=[RULE, {"role": "user", "content": "One"}])
    left, right = (
        client.responses.create(model=sim.CHAT, input=side, previous_response_id=root.id)
        for side in ("left", "right")
    )
    assert left.id != right.id and left.output_text == right.output_text == "by the rule"


def test_instructions_are_not_inherited(client: OpenAI) -> None:
    first = client.responses.create(
        model=sim.CHAT, input="One", instructions='sim: say "as instructed"'
    )
    second = client.responses.create(model=sim.CHAT, input="Two", previous_response_id=first.id)
    assert first.output_text == "as instructed" and second.output_text != "as instructed"
    assert second.instructions is None


def test_a_chain_ends_where_a_response_was_deleted(client: OpenAI) -> None:
    first = client.responses.create(model=sim.CHAT, input="One")
    client.responses.delete(first.id)
    with pytest.raises(openai.BadRequestError) as error:
        client.responses.create(model=sim.CHAT, input="Two", previous_response_id=first.id)
    assert error.value.code == "previous_response_not_found"


def test_a_conversation_gathers_its_responses(client: OpenAI) -> None:
    conversation = client.conversations.create(items=[RULE], metadata={"about": "tests"})
    assert conversation.id.startswith("conv_") and conversation.metadata == {"about": "tests"}
    for turn in ("One", "Two"):
        response = client.responses.create(model=sim.CHAT, input=turn, conversation=conversation.id)
        assert response.output_text == "by the rule"
        assert response.conversation.id == conversation.id
    items = list(client.conversations.items.list(conversation.id, order="asc"))
    assert [item.role for item in items] == ["system", "user", "assistant", "user", "assistant"]
    assert items[-1].id == response.output[0].id


def test_a_streamed_response_joins_its_conversation(client: OpenAI) -> None:
    conversation = client.conversations.create()
    with client.responses.stream(
        model=sim.CHAT, input='sim: say "streamed"', conversation={"id": conversation.id}
    ) as stream:
        stream.until_done()
    items = list(client.conversations.items.list(conversation.id, order="asc"))
    assert [item.content[0].text for item in items] == ['sim: say "streamed"', "streamed"]


def test_a_conversations_items_are_added_and_removed(client: OpenAI) -> None:
    conversation = client.conversations.create()
    added = client.conversations.items.create(conversation.id, items=[
        {"role": "user", "content": f"item {number}"} for number in range(3)
    ])
    assert [item.content[0].text for item in added.data] == ["item 0", "item 1", "item 2"]
    middle = added.data[1]
    read = client.conversations.items.retrieve(middle.id, conversation_id=conversation.id)
    assert read.content[0].text == "item 1"
    client.conversations.items.delete(middle.id, conversation_id=conversation.id)
    left = client.conversations.items.list(conversation.id, order="asc", limit=1)
    assert [item.content[0].text for item in left] == ["item 0", "item 2"]
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.retrieve(middle.id, conversation_id=conversation.id)


def test_at_most_twenty_items_are_added_at_once(client: OpenAI) -> None:
    items = [{"role": "user", "content": "x"}] * 21
    with pytest.raises(openai.BadRequestError) as error:
        client.conversations.create(items=items)
    assert "20" in error.value.message


def test_a_conversation_is_changed_and_deleted(client: OpenAI) -> None:
    conversation = client.conversations.create(metadata={"a": "1"})
    assert client.conversations.update(conversation.id, metadata={"b": "2"}).metadata == {"b": "2"}
    assert client.conversations.retrieve(conversation.id).metadata == {"b": "2"}
    assert client.conversations.delete(conversation.id).deleted is True
    for lost in (
        lambda: client.conversations.retrieve(conversation.id),
        lambda: client.conversations.items.list(conversation.id),
        lambda: client.responses.create(model=sim.CHAT, input="x", conversation=conversation.id),
    ):
        with pytest.raises(openai.NotFoundError) as error:
            lost()
        assert f"Conversation with id '{conversation.id}' not found." in error.value.message


def test_a_stored_chat_is_read_changed_and_deleted(client: OpenAI, lenient: OpenAI) -> None:
    """Lenient for its messages: the SDK's type takes all of them for the assistant's."""
    question = sim.ask('sim: say "stored"')
    made = client.chat.completions.create(
        model=sim.CHAT, messages=question, store=True, metadata={"suite": "clients"}
    )
    kept = client.chat.completions.retrieve(made.id)
    assert kept.choices[0].message.content == "stored" and kept.usage == made.usage
    (message,) = lenient.chat.completions.messages.list(made.id)
    assert message.role == "user" and message.content == question[0]["content"]
    found = client.chat.completions.list(model=sim.CHAT, metadata={"suite": "clients"})
    assert made.id in [chat.id for chat in found]
    client.chat.completions.update(made.id, metadata={"suite": "changed"})
    found = client.chat.completions.list(model=sim.CHAT, metadata={"suite": "clients"})
    assert made.id not in [chat.id for chat in found]
    assert client.chat.completions.delete(made.id).deleted is True
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(made.id)


def test_a_chat_is_stored_only_when_asked_for(client: OpenAI) -> None:
    made = client.chat.completions.create(model=sim.CHAT, messages=sim.ask('sim: say "passing"'))
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(made.id)
