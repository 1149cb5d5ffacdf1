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


def test_an_item_is_referred_to_by_its_id(client: OpenAI) -> None:
    """As the AI SDK does, with no chain and no conversation."""
    first = client.responses.create(model=sim.CHAT, input="sim: reason Hm.\nsim: say One.")
    references = [{"type": "item_reference", "id": item.id} for item in first.output]
    request = {"model": sim.CHAT, "input": [{"role": "user", "content": "One"}, *references, RULE]}
    second = client.responses.create(**request)
    assert second.output_text == "by the rule"
    client.responses.delete(first.id)
    with pytest.raises(openai.BadRequestError) as error:
        client.responses.create(**request)
    assert f"Item with id '{first.output[0].id}' not found." in error.value.message


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


def test_at_most_twenty_items_are_added_at_once(client: OpenAI) -> None:
    items = [{"role": "user", "content": "x"}] * 21
    with pytest.raises(openai.BadRequestError) as error:
        client.conversations.create(items=items)
    assert "20" in error.value.message


def test_a_conversation_that_is_gone_is_not_gone_on_with(client: OpenAI) -> None:
    conversation = client.conversations.create()
    client.conversations.delete(conversation.id)
    with pytest.raises(openai.NotFoundError) as error:
        client.responses.create(model=sim.CHAT, input="x", conversation=conversation.id)
    assert f"Conversation with id '{conversation.id}' not found." in error.value.message


def test_a_response_that_fails_leaves_its_conversation_as_it_was(client: OpenAI) -> None:
    conversation = client.conversations.create(items=[{"role": "user", "content": "One"}])
    with pytest.raises(openai.BadRequestError):
        client.responses.create(
            model=sim.FAILING, input="sim: fail 400", conversation=conversation.id
        )
    assert len(list(client.conversations.items.list(conversation.id))) == 1
