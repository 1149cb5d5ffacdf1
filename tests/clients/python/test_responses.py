"""Responses: made, kept, read again and deleted. The client validates every answer strictly."""

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

import sim


def say(client: OpenAI, *lines: str, **more):
    return client.responses.create(model=sim.CHAT, input="\n".join(lines), **more)


def test_an_answer_is_what_was_scripted(client: OpenAI) -> None:
    response = say(client, 'sim: say "Good morning."')
    assert response.output_text == "Good morning."
    (message,) = response.output
    assert message.type == "message" and message.role == "assistant" and message.status == "completed"
    assert response.id.startswith("resp_") and message.id.startswith("msg_")
    assert response.status == "completed" and response.error is None
    assert response.completed_at >= response.created_at
    assert response.model == sim.CHAT
    assert response.usage.input_tokens > 0
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


def test_what_was_asked_for_is_told_back(client: OpenAI) -> None:
    response = say(
        client, 'sim: say "ok"',
        instructions="Be brief.", max_output_tokens=100, temperature=0.5, top_p=0.25,
        metadata={"ticket": "42"}, truncation="auto", parallel_tool_calls=False, max_tool_calls=3,
        safety_identifier="somebody", prompt_cache_key="a-key", service_tier="default",
    )
    assert response.instructions == "Be brief."
    assert response.max_output_tokens == 100 and response.max_tool_calls == 3
    assert response.temperature == 0.5 and response.top_p == 0.25
    assert response.metadata == {"ticket": "42"}
    assert response.truncation == "auto" and response.parallel_tool_calls is False
    assert response.safety_identifier == "somebody" and response.prompt_cache_key == "a-key"
    assert response.service_tier == "default"


def test_what_was_not_asked_for_has_the_apis_defaults(client: OpenAI) -> None:
    response = say(client, 'sim: say "ok"')
    assert response.instructions is None and response.previous_response_id is None
    assert response.max_output_tokens is None and response.max_tool_calls is None
    assert response.temperature == 1 and response.top_p == 1
    assert response.metadata == {} and response.tools == [] and response.tool_choice == "auto"
    assert response.truncation == "disabled" and response.parallel_tool_calls is True
    assert response.text.format.type == "text"
    assert response.background is False and response.conversation is None


def test_a_response_is_kept_until_it_is_deleted(client: OpenAI) -> None:
    made = say(client, 'sim: say "keep me"', metadata={"a": "b"})
    assert client.responses.retrieve(made.id) == made
    client.responses.delete(made.id)
    for lost in (client.responses.retrieve, client.responses.input_items.list, client.responses.delete):
        with pytest.raises(openai.NotFoundError) as error:
            lost(made.id)
        assert f"Response with id '{made.id}' not found." in error.value.message


def test_what_is_not_to_be_stored_is_not(client: OpenAI) -> None:
    response = say(client, 'sim: say "forget me"', store=False)
    assert response.output_text == "forget me"
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)
    with pytest.raises(openai.BadRequestError) as error:
        say(client, "And then?", previous_response_id=response.id)
    assert error.value.code == "previous_response_not_found"


def test_input_items_are_listed_in_pages(client: OpenAI) -> None:
    turns = [{"role": "user", "content": f"turn {number}"} for number in range(5)]
    made = client.responses.create(model=sim.CHAT, input=turns)

    def texts(**options) -> list[str]:
        return [item.content[0].text for item in client.responses.input_items.list(made.id, **options)]

    forwards = [turn["content"] for turn in turns]
    assert texts(order="asc") == forwards
    assert texts() == texts(order="desc", limit=2) == forwards[::-1]
    page = client.responses.input_items.list(made.id, order="asc", limit=2)
    assert page.has_more and len(page.data) == 2
    assert page.first_id == page.data[0].id and page.last_id == page.data[1].id
    assert texts(order="asc", after=page.last_id) == forwards[2:]


def test_images_and_files_are_input_too(client: OpenAI) -> None:
    pixel = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
    made = client.responses.create(model=sim.CHAT, input=[{"role": "user", "content": [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": pixel, "detail": "low"},
    ]}])
    assert "image" in made.output_text
    (item,) = client.responses.input_items.list(made.id)
    assert [part.type for part in item.content] == ["input_text", "input_image"]
    assert item.content[1].image_url == pixel


def test_an_answer_may_be_cut_off(client: OpenAI) -> None:
    response = say(client, "sim: tokens 100", max_output_tokens=20)
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.usage.output_tokens == 20
    assert response.output[-1].status == "incomplete"


def test_a_refusal_is_a_part_of_the_message(client: OpenAI) -> None:
    (message,) = say(client, "sim: refuse I would rather not.").output
    (part,) = message.content
    assert part.type == "refusal" and part.refusal == "I would rather not."


def test_reasoning_comes_before_the_answer(client: OpenAI) -> None:
    """What gpt-oss's compatibility test asks of the first reply."""
    response = say(client, "sim: reason First I count.", "sim: say Three.")
    reasoning, message = response.output
    assert reasoning.type == "reasoning" and reasoning.id.startswith("rs_")
    assert [(part.type, part.text) for part in reasoning.content] == [("reasoning_text", "First I count.")]
    assert message.content[0].text == "Three."
    assert response.usage.output_tokens_details.reasoning_tokens > 0


def test_sealed_reasoning_is_taken_back(client: OpenAI) -> None:
    first = say(
        client, "sim: reason A secret thought.", "sim: say Well.",
        store=False, include=["reasoning.encrypted_content"],
    )
    reasoning, message = first.output
    assert reasoning.encrypted_content and "secret" not in reasoning.encrypted_content
    second = client.responses.create(
        model=sim.CHAT, store=False,
        input=[
            {"role": "user", "content": "Well?"},
            reasoning.model_dump(exclude_none=True),
            message.model_dump(exclude_none=True),
            {"role": "user", "content": 'sim: say "And good."'},
        ],
    )
    assert second.output_text == "And good."


def test_sealed_reasoning_that_is_not_ours_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.responses.create(model=sim.CHAT, input=[
            {"type": "reasoning", "summary": [], "encrypted_content": "kijun1.bm90IG91cnM"},
            {"role": "user", "content": "Hello"},
        ])
    assert error.value.code == "invalid_encrypted_content"
    assert error.value.param == "input[0].encrypted_content"


def test_log_probabilities_are_included_when_asked_for(client: OpenAI) -> None:
    asked = say(client, 'sim: say "a b"', include=["message.output_text.logprobs"], top_logprobs=2)
    logprobs = asked.output[0].content[0].logprobs
    assert "".join(logprob.token for logprob in logprobs) == "a b"
    assert all(len(logprob.top_logprobs) == 2 for logprob in logprobs)
    assert not say(client, 'sim: say "a b"').output[0].content[0].logprobs


def test_input_is_counted_before_it_is_sent(client: OpenAI) -> None:
    counted = client.responses.input_tokens.count(model=sim.CHAT, input="How many tokens are these?")
    assert counted.object == "response.input_tokens"
    longer = client.responses.input_tokens.count(
        model=sim.CHAT, input="How many tokens are these, and these, and these?", instructions="Be brief."
    )
    assert 0 < counted.input_tokens < longer.input_tokens


def test_a_conversation_is_compacted(lenient: OpenAI) -> None:
    """Lenient: the SDK's type for what is left knows no messages of a user, though the API keeps them."""
    compacted = lenient.responses.compact(model=sim.CHAT, input=[
        {"role": "user", "content": 'sim: say "We launch on Tuesday."'},
        {"role": "assistant", "content": "Understood."},
    ])
    assert compacted.object == "response.compaction"
    assert [item.type for item in compacted.output].count("compaction") == 1
    assert compacted.output[-1].type == "compaction" and compacted.output[-1].encrypted_content
    assert compacted.usage.input_tokens > 0
    answer = lenient.responses.create(model=sim.CHAT, input=[
        *(item.to_dict(warnings=False) for item in compacted.output),
        {"role": "user", "content": 'sim: say "Going on."'},
    ])
    assert answer.output_text == "Going on."


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        client.responses.create(model="no-such-model", input="Hello")
    assert error.value.code == "model_not_found"


def test_an_unknown_previous_response_is_named(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        say(client, "Hello", previous_response_id="resp_unknown")
    assert error.value.code == "previous_response_not_found"
    assert error.value.param == "previous_response_id"
    assert "Previous response with id 'resp_unknown' not found." in error.value.message


@pytest.mark.parametrize(("wrong", "param"), [
    ({"temperature": 9}, "temperature"),
    ({"max_output_tokens": 0}, "max_output_tokens"),
    ({"metadata": {"a": 1}}, "metadata"),
    ({"truncation": "sometimes"}, "truncation"),
    ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text"),
    ({"tools": [{"type": "function"}]}, "tools"),
    ({"input": [{"role": "wizard", "content": "Hello"}]}, "input"),
    ({"previous_response_id": "resp_a", "conversation": "conv_a"}, "previous_response_id"),
    ({"background": True, "store": False}, "background"),
])
def test_a_wrong_parameter_is_named(client: OpenAI, wrong: dict, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.responses.create(**{"model": sim.CHAT, "input": "Hello", **wrong})
    assert error.value.type == "invalid_request_error"
    assert (error.value.param or "").startswith(param), error.value.message


def test_a_provider_that_fails_is_told_of(client: OpenAI) -> None:
    with pytest.raises(openai.RateLimitError) as error:
        client.responses.create(
            model=sim.FAILING, input='sim: fail 429 retry-after=7 message="slow down"'
        )
    assert error.value.response.headers["retry-after"] == "7"
    assert "slow down" in error.value.message


@pytest.mark.anyio
async def test_the_async_client(async_client: AsyncOpenAI) -> None:
    made = await async_client.responses.create(model=sim.CHAT, input='sim: say "asynchronous"')
    assert made.output_text == "asynchronous"
    assert (await async_client.responses.retrieve(made.id)).output_text == "asynchronous"
    assert [item.type async for item in async_client.responses.input_items.list(made.id)] == ["message"]
