"""Mixed calls through a node to an upstream that counts them: usage and costs are the same, call by
call. `KIJUN_COUNTED_CALLS` says how many calls; any number takes part in the mix."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import openai
import pytest
from openai import OpenAI

import counted
import kijun
from counted import Upstream, Used
from test_batches import line, over

CALLS = int(os.environ.get("KIJUN_COUNTED_CALLS", "240"))
AT_ONCE = 16

# Dollars for a million tokens.
INPUT, CACHED, OUTPUT = Decimal("2.5"), Decimal("0.25"), Decimal("10")
MODELS = ["whole", "streamed", "endless", "broken", "wrong", "answers", "batched", "embedding"]
CONFIG = """
[discovery]
environment = false
local_servers = false

[gateway.retry]
max_attempts = 1

[[providers]]
name = "counting"
kind = "openai"
base_url = "{base_url}"
api_key = "sk-anything"

[[prices]]
provider = "counting"
model = "*"
effective_from = "2020-01-01"
input = "{input}"
cached_input = "{cached}"
output = "{output}"
source = "this test"
read_on = "2020-01-01"
"""
MODEL = """
[[models]]
name = "{name}"
targets = [{{ provider = "counting", model = "{name}", weight = 1 }}]
"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with counted.upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def client(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    config = CONFIG.format(base_url=upstream.base_url, input=INPUT, cached=CACHED, output=OUTPUT)
    config += "".join(MODEL.format(name=name) for name in MODELS)
    with (
        kijun.serve(tmp_path_factory.mktemp("counted"), config) as node,
        OpenAI(
            api_key=node.api_key,
            admin_api_key=node.admin_key,
            base_url=node.base_url,
            max_retries=0,
            timeout=60,
        ) as client,
    ):
        yield client


HELLO = [{"role": "user", "content": "Hello"}]


def whole(client: OpenAI, user: str) -> None:
    client.chat.completions.create(model="whole", messages=HELLO, user=user)


def streamed(client: OpenAI, user: str) -> None:
    # Every other client asks for the usage itself.
    asked = {"include_usage": int(user.rpartition("-")[2]) % 2 == 0}
    list(client.chat.completions.create(
        model="streamed", messages=HELLO, user=user, stream=True, stream_options=asked
    ))


def hung_up(client: OpenAI, user: str) -> None:
    stream = client.chat.completions.create(model="endless", messages=HELLO, user=user, stream=True)
    for _ in range(counted.READ):
        next(stream)
    stream.close()


def broken(client: OpenAI, user: str) -> None:
    try:
        list(client.chat.completions.create(model="broken", messages=HELLO, user=user, stream=True))
    except openai.OpenAIError:
        pass


def wrong(client: OpenAI, user: str) -> None:
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="wrong", messages=HELLO, user=user)


def answered(client: OpenAI, user: str) -> None:
    client.responses.create(model="answers", input="Hello", user=user, store=False)


def embedded(client: OpenAI, user: str) -> None:
    client.embeddings.create(model="embedding", input="Hello", user=user, encoding_format="float")


MIX: list[Callable[[OpenAI, str], None]] = [
    whole, streamed, hung_up, broken, wrong, answered, embedded,
]


def batched(client: OpenAI, users: list[str]) -> None:
    body = {"model": "batched", "messages": HELLO}
    lines = [line(user, "/v1/chat/completions", {**body, "user": user}) for user in users]
    file = client.files.create(file=("lines.jsonl", "".join(lines).encode()), purpose="batch")
    made = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    made = over(client, made)
    assert made.request_counts.model_dump() == {
        "total": len(users), "completed": len(users), "failed": 0,
    }


@pytest.fixture(scope="module")
def since(client: OpenAI) -> int:
    """When the calls began. They are over when this returns."""
    start = int(time.time()) // 60 * 60
    users = [f"call-{number}" for number in range(CALLS)]
    in_batches = users[::8]
    one_by_one = [user for user in users if user not in set(in_batches)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        batch = pool.submit(batched, client, in_batches)
        calls = [
            pool.submit(MIX[at % len(MIX)], client, user) for at, user in enumerate(one_by_one)
        ]
        for call in [*calls, batch]:
            call.result()
    return start


def results(client: OpenAI, kind: str, since: int, **question) -> list:
    """All results of all pages and buckets."""
    usage, found, page = client.admin.organization.usage, [], None
    while True:
        more = {"page": page} if page else {}
        answer = getattr(usage, kind)(start_time=since, bucket_width="1d", **question, **more)
        found += [result for bucket in answer.data for result in bucket.results]
        page = answer.next_page
        if page is None:
            return found


def reported(client: OpenAI, since: int) -> Counter:
    """Requests and tokens, by the name of the call."""
    sums: Counter = Counter()
    for kind in "completions", "embeddings":
        for result in results(client, kind, since, group_by=["user_id"]):
            sums[result.user_id, "requests"] += result.num_model_requests
            sums[result.user_id, "input"] += result.input_tokens
            if kind == "completions":
                sums[result.user_id, "cached"] += result.input_cached_tokens
                sums[result.user_id, "output"] += result.output_tokens
            assert result.model_extra["num_estimated_requests"] == 0, result
    return +sums


def expected(upstream: Upstream) -> Counter:
    sums: Counter = Counter()
    for user, calls in upstream.calls.items():
        sums[user, "requests"] += len(calls)
        for used in calls:
            sums[user, "input"] += used.input
            sums[user, "cached"] += used.cached
            sums[user, "output"] += used.output
    return +sums


def cost(used: Used) -> Decimal:
    fresh = used.input - used.cached
    return (fresh * INPUT + used.cached * CACHED + used.output * OUTPUT) / 1_000_000


def test_usage_is_what_the_upstream_counted(
    client: OpenAI, upstream: Upstream, since: int
) -> None:
    # A hang-up is settled when the node sees it, a moment after the client has gone.
    deadline = time.monotonic() + 60
    while (found := reported(client, since)) != expected(upstream):
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    wanted = expected(upstream)
    names = {name for name in found.keys() | wanted.keys() if found[name] != wanted[name]}
    different = {name: (found[name], wanted[name]) for name in sorted(names)[:10]}
    assert not different, f"{len(names)} differences, as (told, counted): {different}"
    assert sum(len(calls) for calls in upstream.calls.values()) == CALLS


def test_costs_are_what_the_price_says(client: OpenAI, upstream: Upstream, since: int) -> None:
    day = since // 86_400 * 86_400
    costs = [
        result
        for bucket in client.admin.organization.usage.costs(start_time=day).data
        for result in bucket.results
    ]
    told = sum(Decimal(result.model_extra["amount_usd"]) for result in costs)
    assert told == sum(cost(used) for calls in upstream.calls.values() for used in calls)
    assert all(result.model_extra["num_unpriced_requests"] == 0 for result in costs)


def test_batches_are_apart(client: OpenAI, since: int) -> None:
    in_batches = len(range(0, CALLS, 8))
    [sums] = results(client, "completions", since, batch=True)
    assert sums.num_model_requests == in_batches
    parts = {
        result.batch: result.num_model_requests
        for result in results(client, "completions", since, group_by=["batch"])
    }
    assert parts[True] == in_batches
