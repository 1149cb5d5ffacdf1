"""Waits for calls to appear in the usage report."""

import time
from collections.abc import Callable

from openai import OpenAI

SECONDS = 20


def totals(client: OpenAI, model: str, resource: str = "completions") -> dict[str, int]:
    """All of a model's usage since the tests began, summed over the buckets."""
    report = getattr(client.admin.organization.usage, resource)(
        start_time=int(time.time()) - 3_600, bucket_width="1d", group_by=["model"], models=[model]
    )
    fields = ("num_model_requests", "input_tokens", "output_tokens", "input_cached_tokens")
    sums = dict.fromkeys(fields, 0)
    for bucket in report.data:
        for result in bucket.results:
            for field in fields:
                sums[field] += getattr(result, field, None) or 0
    return sums


def eventually(read: Callable[[], dict[str, int]], expected: dict[str, int]) -> None:
    """The journal is moved to the database in batches, so a record takes a moment."""
    deadline = time.monotonic() + SECONDS
    while (found := read()) != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found == expected
