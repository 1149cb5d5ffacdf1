"""One Kijun for all tests against `kijun-sim`, and the official SDK pointed at it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from openai import AsyncOpenAI, OpenAI

import kijun
import sim

# Aliases of our own, so that nothing depends on what Kijun serves by itself. The metered ones are
# used by the usage tests alone, so that no other test's record comes late into their sums.
ALIASES = {
    sim.CHAT: "kijun-sim",
    sim.METERED: "kijun-sim",
    sim.NARROW: "kijun-sim",
    sim.FAILING: "kijun-sim-that-fails",
    sim.EMBEDDING: "kijun-sim-embedding",
    sim.METERED_EMBEDDING: "kijun-sim-embedding",
    sim.MODERATION: "kijun-sim-moderation",
}
CONFIG = """
[discovery]
environment = false
local_servers = false

[[providers]]
name = "scripted"
kind = "sim"

[[limits]]
scope = "key"
measure = "requests_per_minute"
amount = 100000

[[limits]]
scope = "key"
measure = "tokens_per_minute"
amount = 100000000

[[limits]]
scope = "model"
subject = "narrow"
measure = "requests_per_minute"
amount = 2
""" + "".join(
    f"""
[[models]]
name = "{alias}"
targets = [{{ provider = "scripted", model = "{model}", weight = 1 }}]
"""
    for alias, model in ALIASES.items()
)


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kijun.Kijun]:
    with kijun.serve(tmp_path_factory.mktemp("kijun"), CONFIG) as running:
        yield running


@pytest.fixture
def client(node: kijun.Kijun) -> Iterator[OpenAI]:
    """Strict: a response that is not exactly of the API's shape is an error. No retries, so that
    every failure is seen."""
    with OpenAI(
        api_key=node.api_key,
        admin_api_key=node.admin_key,
        base_url=node.base_url,
        max_retries=0,
        timeout=30,
        _strict_response_validation=True,
    ) as client:
        yield client


@pytest.fixture
def lenient(client: OpenAI) -> Iterator[OpenAI]:
    """For what the SDK's own types do not allow although the API has always sent it: base64
    vectors, and the pieces of a legacy stream."""
    with OpenAI(api_key=client.api_key, base_url=client.base_url, max_retries=0) as lenient:
        yield lenient


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def async_client(node: kijun.Kijun, anyio_backend: str) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        api_key=node.api_key,
        base_url=node.base_url,
        max_retries=0,
        timeout=30,
        _strict_response_validation=True,
    ) as client:
        yield client
