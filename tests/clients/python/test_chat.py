"""Chat Completions, answered whole."""

import base64

import pytest
from openai import AsyncOpenAI, OpenAI

import sim

# The smallest PNG: one transparent pixel.
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


def test_an_answer_is_what_was_scripted(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask('sim: say "Grüße, 世界 🌍"')
    )
    (choice,) = answer.choices
    assert choice.message.content == "Grüße, 世界 🌍"
    assert choice.message.role == "assistant"
    assert choice.finish_reason == "stop"
    assert answer.object == "chat.completion"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0


def test_the_sim_says_what_it_is(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=sim.CHAT, messages=sim.ask("Hello"))
    assert "kijun-sim" in answer.choices[0].message.content
    assert "Hello" in answer.choices[0].message.content


@pytest.mark.anyio
async def test_the_async_client_gets_the_same(async_client: AsyncOpenAI) -> None:
    answer = await async_client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask('sim: say "from afar"')
    )
    assert answer.choices[0].message.content == "from afar"


def test_several_choices(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask('sim: say "one of three"'), n=3
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert all(choice.message.content == "one of three" for choice in answer.choices)


def test_logprobs(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask('sim: say "two words"'), logprobs=True, top_logprobs=2
    )
    tokens = answer.choices[0].logprobs.content
    assert "".join(token.token for token in tokens) == "two words"
    for token in tokens:
        assert token.logprob <= 0
        assert bytes(token.bytes).decode() == token.token
        assert len(token.top_logprobs) == 2


def test_images_and_files_in_the_content(client: OpenAI) -> None:
    document = base64.b64encode(b"%PDF-1.4 a test").decode()
    answer = client.chat.completions.create(
        model=sim.CHAT,
        messages=[{
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                {"type": "file", "file": {
                    "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{document}",
                }},
            ],
        }],
    )
    content = answer.choices[0].message.content
    assert "image/png" in content
    assert "pdf" in content


def test_reasoning_comes_under_both_names(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask('sim: reason "because"', 'sim: say "so"')
    )
    message = answer.choices[0].message
    assert message.content == "so"
    assert message.model_extra["reasoning"] == "because"
    assert message.model_extra["reasoning_content"] == "because"
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0


def test_a_refusal_is_no_content(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask('sim: refuse "I would rather not."')
    )
    message = answer.choices[0].message
    assert message.refusal == "I would rather not."
    assert not message.content


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_finish_reasons(client: OpenAI, reason: str) -> None:
    answer = client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask("sim: echo", f"sim: finish {reason}", "text")
    )
    assert answer.choices[0].finish_reason == reason


def test_the_most_tokens(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask("sim: tokens 200"), max_completion_tokens=5
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 5


def test_stop_sequences(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask('sim: say "before END after"'), stop=["END"]
    )
    assert answer.choices[0].message.content == "before "
    assert answer.choices[0].finish_reason == "stop"


def test_cached_tokens_are_told(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask("sim: cached 3", "some words that are long enough")
    )
    assert answer.usage.prompt_tokens_details.cached_tokens == 3


def test_unknown_request_fields_do_no_harm(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=sim.CHAT,
        messages=sim.ask('sim: say "fine"'),
        extra_body={"a_field_of_next_year": {"deep": [1, None]}},
    )
    assert answer.choices[0].message.content == "fine"
