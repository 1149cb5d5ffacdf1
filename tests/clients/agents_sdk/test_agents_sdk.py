"""OpenAI's Agents SDK: tools, hand-offs, streams, sessions and traces, on both APIs."""

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from agents import (
    Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIConversationsSession, OpenAIResponsesModel,
    RunConfig, Runner, SQLiteSession, function_tool, gen_trace_id, set_trace_processors,
    trace,
)
from agents.models.interface import Model
from agents.tracing.processors import BackendSpanExporter, BatchTraceProcessor
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

import sim
from kijun import Kijun

pytestmark = pytest.mark.anyio


class Verdict(BaseModel):
    label: str
    certainty: int


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"21 degrees in {city}"


@pytest.fixture(autouse=True)
def traced(node: Kijun) -> Iterator[BatchTraceProcessor]:
    """Traces go to Kijun."""
    exporter = BackendSpanExporter(api_key=node.api_key, endpoint=f"{node.base_url}/traces/ingest")
    processor = BatchTraceProcessor(exporter)
    set_trace_processors([processor])
    yield processor
    processor.shutdown()


@pytest.fixture(params=[OpenAIResponsesModel, OpenAIChatCompletionsModel], ids=["responses", "chat"])
async def model(request: pytest.FixtureRequest, async_client: AsyncOpenAI) -> AsyncIterator[Model]:
    yield request.param(model=sim.CHAT, openai_client=async_client)


async def test_a_tool_is_called_and_its_result_used(model: Model) -> None:
    agent = Agent(name="weather", model=model, tools=[get_weather])
    result = await Runner.run(agent, 'sim: tool get_weather {"city": "Rome"}')
    assert "21 degrees in Rome" in result.final_output


async def test_tools_are_called_side_by_side(model: Model) -> None:
    agent = Agent(name="weather", model=model, tools=[get_weather])
    result = await Runner.run(
        agent, 'sim: tool get_weather {"city": "Rome"}\nsim: tool get_weather {"city": "Oslo"}'
    )
    outputs = [item.output for item in result.new_items if item.type == "tool_call_output_item"]
    assert outputs == ["21 degrees in Rome", "21 degrees in Oslo"]


async def test_one_agent_hands_over_to_another(model: Model) -> None:
    clerk = Agent(name="clerk", model=model, instructions="You sell tickets.")
    porter = Agent(name="porter", model=model, handoffs=[clerk])
    result = await Runner.run(porter, "sim: tool transfer_to_clerk {}")
    assert result.last_agent is clerk
    assert "clerk" in result.final_output


async def test_a_run_streams(model: Model) -> None:
    agent = Agent(name="weather", model=model, tools=[get_weather])
    result = Runner.run_streamed(agent, 'sim: tool get_weather {"city": "Rome"}')
    kinds, text = [], ""
    async for event in result.stream_events():
        if event.type == "run_item_stream_event":
            kinds.append(event.name)
        elif event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            text += event.data.delta
    assert kinds == ["tool_called", "tool_output", "message_output_created"]
    assert text == result.final_output and "21 degrees in Rome" in text


async def test_the_output_is_of_a_type(model: Model) -> None:
    agent = Agent(name="judge", model=model, output_type=Verdict)
    result = await Runner.run(agent, "A verdict, please.")
    assert isinstance(result.final_output, Verdict)


async def test_reasoning_goes_back_and_forth(model: Model) -> None:
    agent = Agent(name="thinker", model=model, tools=[get_weather])
    result = await Runner.run(
        agent, 'sim: reason I need the weather.\nsim: tool get_weather {"city": "Rome"}'
    )
    assert "21 degrees in Rome" in result.final_output


async def test_a_session_of_the_client_remembers(model: Model) -> None:
    session = SQLiteSession("here")
    agent = Agent(name="clerk", model=model)
    await Runner.run(agent, "One", session=session)
    second = await Runner.run(agent, "Two", session=session)
    alone = await Runner.run(agent, "Two")
    assert second.context_wrapper.usage.input_tokens > alone.context_wrapper.usage.input_tokens


async def test_a_session_of_the_server_remembers(async_client: AsyncOpenAI) -> None:
    session = OpenAIConversationsSession(openai_client=async_client)
    agent = Agent(
        name="weather", tools=[get_weather],
        model=OpenAIResponsesModel(model=sim.CHAT, openai_client=async_client),
    )
    await Runner.run(agent, 'sim: tool get_weather {"city": "Rome"}', session=session)
    await Runner.run(agent, "sim: say Goodbye.", session=session)
    kinds = [item.get("type", item.get("role")) for item in await session.get_items()]
    assert kinds == ["message", "function_call", "function_call_output", "message", "message", "message"]
    last = await session.pop_item()
    assert last["content"][0]["text"] == "Goodbye."
    assert len(await session.get_items()) == 5
    await session.clear_session()


async def test_a_run_goes_on_from_a_response(async_client: AsyncOpenAI) -> None:
    agent = Agent(
        name="weather", tools=[get_weather],
        model=OpenAIResponsesModel(model=sim.CHAT, openai_client=async_client),
    )
    first = await Runner.run(
        agent, 'sim: tool get_weather {"city": "Rome"}', auto_previous_response_id=True
    )
    assert "21 degrees in Rome" in first.final_output
    second = await Runner.run(
        agent, "sim: say And so on.", previous_response_id=first.last_response_id
    )
    assert second.final_output == "And so on."


async def test_sealed_reasoning_is_asked_for_and_sent_back(async_client: AsyncOpenAI) -> None:
    agent = Agent(
        name="thinker", tools=[get_weather],
        model=OpenAIResponsesModel(model=sim.CHAT, openai_client=async_client),
        model_settings=ModelSettings(store=False, response_include=["reasoning.encrypted_content"]),
    )
    result = await Runner.run(
        agent, 'sim: reason I need the weather.\nsim: tool get_weather {"city": "Rome"}'
    )
    assert "21 degrees in Rome" in result.final_output
    sealed = [item for item in result.to_input_list() if item.get("type") == "reasoning"]
    assert sealed and all(item["encrypted_content"] for item in sealed)


async def test_a_trace_is_tied_to_its_calls(
    node: Kijun, client: OpenAI, model: Model, traced: BatchTraceProcessor
) -> None:
    agent = Agent(name="weather", model=model, tools=[get_weather])
    made = gen_trace_id()
    with trace("a run of the tests", trace_id=made, group_id="tests", metadata={"suite": "clients"}):
        await Runner.run(agent, 'sim: tool get_weather {"city": "Rome"}', run_config=RunConfig())
    traced.force_flush()

    projects = client.admin.organization.projects.list()
    (project,) = [project.id for project in projects if project.name == "Default project"]
    kept = httpx2.get(
        f"{node.base_url}/organization/traces/{made}",
        params={"project_id": project},
        headers={"authorization": f"Bearer {node.admin_key}"},
    )
    assert kept.status_code == 200, kept.text
    told = kept.json()
    assert told["workflow_name"] == "a run of the tests" and told["group_id"] == "tests"
    kinds = [span["span_data"]["type"] for span in told["spans"]]
    assert {"agent", "function"} <= set(kinds)
    if isinstance(model, OpenAIResponsesModel):
        calls = [span["call_id"] for span in told["spans"] if span["span_data"]["type"] == "response"]
        assert len(calls) == 2 and all(call.startswith("req_") for call in calls)

