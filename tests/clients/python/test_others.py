"""Embeddings, legacy Completions and Moderations."""

import base64
import math
import struct

import pytest
from openai import OpenAI

import sim


def test_embeddings_are_vectors_of_length_one(client: OpenAI) -> None:
    answer = client.embeddings.create(
        model=sim.EMBEDDING, input=["a text", "another"], encoding_format="float"
    )
    assert [item.index for item in answer.data] == [0, 1]
    for item in answer.data:
        assert math.isclose(math.hypot(*item.embedding), 1, rel_tol=1e-3)
    assert answer.data[0].embedding != answer.data[1].embedding
    assert answer.usage.prompt_tokens > 0


def test_all_encodings_say_the_same(client: OpenAI, lenient: OpenAI) -> None:
    request = {"model": sim.EMBEDDING, "input": "the same text", "dimensions": 64}
    floats = client.embeddings.create(**request, encoding_format="float").data[0].embedding
    text = lenient.embeddings.create(**request, encoding_format="base64").data[0].embedding
    assert struct.unpack("<64f", base64.b64decode(text)) == pytest.approx(floats, abs=1e-6)
    # What is asked for when nothing is said: base64, which the SDK decodes.
    assert lenient.embeddings.create(**request).data[0].embedding == pytest.approx(floats, abs=1e-6)


def test_token_ids_can_be_embedded(client: OpenAI) -> None:
    answer = client.embeddings.create(
        model=sim.EMBEDDING, input=[[15339, 1917], [15339]], encoding_format="float"
    )
    assert len(answer.data) == 2


def test_a_legacy_completion(client: OpenAI) -> None:
    answer = client.completions.create(model=sim.CHAT, prompt='sim: say "a legacy answer"')
    assert answer.object == "text_completion"
    assert "a legacy answer" in answer.choices[0].text
    assert answer.usage.completion_tokens > 0


def test_a_legacy_stream(lenient: OpenAI) -> None:
    stream = lenient.completions.create(
        model=sim.CHAT, prompt='sim: say "a legacy answer"', stream=True
    )
    assert "a legacy answer" in "".join(chunk.choices[0].text for chunk in stream if chunk.choices)


def test_moderations(client: OpenAI) -> None:
    answer = client.moderations.create(
        model=sim.MODERATION, input=["a harmless text", "sim: flag harassment"]
    )
    harmless, flagged = answer.results
    assert not harmless.flagged
    assert flagged.flagged and flagged.categories.harassment
    assert not flagged.categories.violence
