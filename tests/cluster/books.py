"""The books of an installation, and whether they say what clients and upstream saw."""

import time
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from load import Call, Outcome, with_outcome
from nodes import Node
from upstream import Upstream


@dataclass(frozen=True)
class Books:
    """Every record of a call, and what usage and costs tell."""

    records: list[dict[str, Any]]
    # Requests and tokens, by the name of the call.
    usage: Counter[tuple[str, str]]
    cost: Decimal

    @staticmethod
    async def of(node: Node, since: int) -> "Books":
        records = await ledger(node, since)
        return Books(records, await usage(node, since), await costs(node, since))


async def ledger(node: Node, since: int) -> list[dict[str, Any]]:
    """Every record of a call since then, by as many pages as it takes."""
    records: list[dict[str, Any]] = []
    question = {"limit": 100, "start_time": since}
    while True:
        page = await node.organization("GET", "/calls", params=question)
        records += page["data"]
        if not page["has_more"]:
            return records
        question["after"] = page["last_id"]


async def usage(node: Node, since: int) -> Counter[tuple[str, str]]:
    sums: Counter[tuple[str, str]] = Counter()
    question = {"start_time": since, "bucket_width": "1d", "group_by": "user_id"}
    for bucket in (await node.organization("GET", "/usage/completions", params=question))["data"]:
        for result in bucket["results"]:
            sums[result["user_id"], "requests"] += result["num_model_requests"]
            sums[result["user_id"], "input"] += result["input_tokens"]
            sums[result["user_id"], "output"] += result["output_tokens"]
    return +sums


async def costs(node: Node, since: int) -> Decimal:
    question = {"start_time": since // 86_400 * 86_400}
    report = await node.organization("GET", "/costs", params=question)
    return sum(
        (Decimal(result["amount_usd"]) for bucket in report["data"] for result in bucket["results"]), Decimal(0)
    )


def hour() -> int:
    """When this hour began: sums of usage are kept by the hour where end users are told apart."""
    return int(time.time()) // 3_600 * 3_600


def each_is_recorded_once(
    records: list[dict[str, Any]], calls: list[Call], upstream: Upstream, lost: int = 0
) -> None:
    """Every answered call has one record, with the tokens that client and upstream counted. Of answered calls
    as many may be without one as the nodes say that they lost. No other call has a record but those that the
    upstream has counted, too, and whose answer broke."""
    once(record["id"] for record in records)
    once(record["end_user"] for record in records)
    by_id = {record["id"]: record for record in records}
    answered = with_outcome(calls, Outcome.ANSWERED)
    missing = [call for call in answered if call.id not in by_id]
    assert len(missing) == lost, f"{len(missing)} of {len(answered)} are not in the ledger: {missing[:5]}"
    for call in answered:
        [counted] = upstream.calls[call.user]
        assert call.tokens == (counted.input, counted.output), call
        if record := by_id.pop(call.id, None):
            tokens = record["usage"]["input_tokens"], record["usage"]["output_tokens"]
            seen = record["end_user"], record["outcome"], tokens, Decimal(record["cost_usd"])
            assert seen == (call.user, "completed", call.tokens, counted.cost), record
    broken = {call.user for call in with_outcome(calls, Outcome.BROKEN)}
    others = [record for record in by_id.values() if record["end_user"] not in broken]
    assert not others, f"{len(others)} records of calls that nobody got an answer to: {others[:5]}"


def once(names: Any) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    assert not twice, f"recorded more than once: {twice[:10]}"


def sums_are_those_of_the_ledger(books: Books) -> None:
    expected: Counter[tuple[str, str]] = Counter()
    for record in books.records:
        expected[record["end_user"], "requests"] += 1
        expected[record["end_user"], "input"] += record["usage"]["input_tokens"]
        expected[record["end_user"], "output"] += record["usage"]["output_tokens"]
    expected = +expected
    names = {name for name in expected.keys() | books.usage.keys() if expected[name] != books.usage[name]}
    different = {name: (books.usage[name], expected[name]) for name in sorted(names)[:10]}
    assert not different, f"{len(names)} differences, as (usage, ledger): {different}"
    assert books.cost == sum(Decimal(record["cost_usd"] or 0) for record in books.records)


def spent(records: list[dict[str, Any]], project: str) -> Decimal:
    return sum(
        (Decimal(record["cost_usd"] or 0) for record in records if record["project_id"] == project), Decimal(0)
    )
