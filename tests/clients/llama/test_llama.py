"""The whole way to a real engine: SDK, Kijun, llama.cpp, and a model of random weights whose
answers a grammar forces."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import InternalServerError, OpenAI

import events
import kijun
import usage
from llama.tiny_gpt_oss import write
from processes import free_port, running

MODEL = "tiny"
# Used by the usage test alone, so that no other test's record comes late into its sums.
METERED = "tiny-metered"
REASONING = "The user says hello."
ANSWER = "Hello from llama.cpp"

# The model must put its reasoning in one channel and its answer in another.
GRAMMAR = (
    'root ::= "<|channel|>analysis<|message|>" "%s" "<|end|>" '
    '"<|start|>assistant<|channel|>final<|message|>" "%s"' % (REASONING, ANSWER)
)
REQUEST = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "hello"}],
    "max_completion_tokens": 300,
    "extra_body": {"grammar": GRAMMAR},
}
RESPONSE = {
    "model": MODEL,
    "input": "hello",
    "max_output_tokens": 300,
    "extra_body": {"grammar": GRAMMAR},
}
CONFIG = """
[discovery]
environment = false
local_servers = false

[[providers]]
name = "llama"
kind = "openai"
quirks = "llama_cpp"
base_url = "{base_url}"

[[models]]
name = "tiny"
targets = [{{ provider = "llama", model = "tiny-gpt-oss", weight = 1 }}]

[[models]]
name = "tiny-metered"
targets = [{{ provider = "llama", model = "tiny-gpt-oss", weight = 1 }}]
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    folder = tmp_path_factory.mktemp("llama")
    model = folder / "tiny-gpt-oss.gguf"
    write(model)
    port = free_port()
    engine = [sys.executable, Path(__file__).parent / "serve.py", model, str(port)]
    origin = f"http://127.0.0.1:{port}"
    with (
        running(engine, f"{origin}/health", folder / "llama.log"),
        kijun.serve(folder, CONFIG.format(base_url=f"{origin}/v1")) as node,
        OpenAI(
            api_key=node.api_key, admin_api_key=node.admin_key, base_url=node.base_url, max_retries=0
        ) as client,
    ):
        yield client


def test_a_whole_answer(client: OpenAI) -> None:
    answer = client.chat.completions.create(**REQUEST)
    message = answer.choices[0].message
    assert message.content == ANSWER
    assert message.model_extra["reasoning_content"] == REASONING
    assert message.model_extra["reasoning"] == REASONING
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens > len(ANSWER) / 4


def test_a_streamed_answer(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(**REQUEST, stream=True))
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == ANSWER
    for name in ("reasoning", "reasoning_content"):
        assert "".join(delta.model_extra.get(name) or "" for delta in deltas) == REASONING, name
    assert all(chunk.usage is None and chunk.choices for chunk in chunks), "usage was not asked for"


def test_the_engines_usage_is_recorded(client: OpenAI) -> None:
    request = {**REQUEST, "model": METERED}
    whole = client.chat.completions.create(**request).usage
    options = {"include_usage": True}
    stream = client.chat.completions.create(**request, stream=True, stream_options=options)
    # The same text may come in other tokens: random weights are drawn from at random.
    streamed = [chunk.usage for chunk in stream if chunk.usage]
    expected = {
        "num_model_requests": 2,
        "input_tokens": whole.prompt_tokens + streamed[0].prompt_tokens,
        "output_tokens": whole.completion_tokens + streamed[0].completion_tokens,
    }

    def found() -> dict[str, int]:
        totals = usage.totals(client, METERED)
        return {field: totals[field] for field in expected}

    usage.eventually(found, expected)


def test_the_engines_own_error_comes_through(client: OpenAI) -> None:
    """Without a grammar, random weights write no harmony, and llama.cpp says so."""
    with pytest.raises(InternalServerError) as error:
        client.chat.completions.create(
            model=MODEL, messages=REQUEST["messages"], max_completion_tokens=20, temperature=0
        )
    assert error.value.status_code == 500
    assert "does not match the expected" in error.value.message


def test_a_response_is_made_of_its_chat(client: OpenAI) -> None:
    response = client.responses.create(**RESPONSE)
    reasoning, message = response.output
    assert [part.text for part in reasoning.content] == [REASONING]
    assert message.content[0].text == ANSWER
    further = client.responses.create(**RESPONSE, previous_response_id=response.id)
    assert further.output_text == ANSWER
    assert further.usage.input_tokens > response.usage.input_tokens


def test_a_streamed_response_is_made_of_its_chat(client: OpenAI) -> None:
    stream = client.responses.create(**RESPONSE, stream=True)
    reasoning, message = events.check(event.to_dict() for event in stream)["output"]
    assert reasoning["content"][0]["text"] == REASONING
    assert message["content"][0]["text"] == ANSWER
