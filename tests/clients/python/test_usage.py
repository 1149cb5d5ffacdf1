"""Every call is in the organisation's usage report, once."""

import openai
import pytest
from openai import OpenAI

import sim
import usage
from kijun import Kijun


def more(before: dict[str, int], **added: int) -> dict[str, int]:
    return {field: count + added.get(field, 0) for field, count in before.items()}


def test_calls_are_reported_with_their_tokens(client: OpenAI) -> None:
    before = usage.totals(client, sim.METERED)
    whole = client.chat.completions.create(
        model=sim.METERED, messages=sim.ask("sim: tokens 30", "sim: cached 2", "one two three four")
    ).usage
    list(client.chat.completions.create(model=sim.METERED, messages=sim.ask("sim: tokens 12"), stream=True))
    asked = list(client.chat.completions.create(
        model=sim.METERED, messages=sim.ask("sim: tokens 12"), stream=True,
        stream_options={"include_usage": True},
    ))[-1].usage
    expected = more(
        before,
        num_model_requests=3,
        input_tokens=whole.prompt_tokens + 2 * asked.prompt_tokens,
        output_tokens=30 + 12 + 12,
        input_cached_tokens=2,
    )
    usage.eventually(lambda: usage.totals(client, sim.METERED), expected)


def test_what_no_provider_reports_is_counted(client: OpenAI) -> None:
    before = usage.totals(client, sim.METERED)
    client.chat.completions.create(
        model=sim.METERED, messages=sim.ask("sim: usage none", 'sim: say "hello world"')
    )
    wanted = before["num_model_requests"] + 1

    def requests() -> dict[str, int]:
        return {"requests": usage.totals(client, sim.METERED)["num_model_requests"]}

    usage.eventually(requests, {"requests": wanted})
    after = usage.totals(client, sim.METERED)
    assert after["output_tokens"] > before["output_tokens"]
    assert after["input_tokens"] > before["input_tokens"]


def test_embeddings_have_their_own_report(client: OpenAI) -> None:
    before = usage.totals(client, sim.METERED_EMBEDDING, "embeddings")
    used = client.embeddings.create(
        model=sim.METERED_EMBEDDING, input="a text of some words", encoding_format="float"
    ).usage
    expected = more(before, num_model_requests=1, input_tokens=used.prompt_tokens)
    usage.eventually(lambda: usage.totals(client, sim.METERED_EMBEDDING, "embeddings"), expected)


def test_the_report_is_for_admin_keys(client: OpenAI, node: Kijun) -> None:
    with pytest.raises((openai.AuthenticationError, openai.PermissionDeniedError)):
        usage.totals(client.with_options(admin_api_key=node.api_key), sim.METERED)
