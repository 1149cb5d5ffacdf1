"""Tools and structured output."""

import json
from enum import Enum

import pytest
from openai import OpenAI
from pydantic import BaseModel, Field

import sim

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "minimum": 1, "maximum": 7},
            },
            "required": ["city", "unit", "days"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


class Kind(Enum):
    small = "small"
    large = "large"


class Item(BaseModel):
    name: str
    kind: Kind
    count: int = Field(ge=1, le=9)


class Order(BaseModel):
    items: list[Item] = Field(min_length=1)
    note: str | None
    paid: bool


def test_a_forced_tool_is_called_with_arguments_of_its_schema(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask("Hello"), tools=[WEATHER], tool_choice="required"
    )
    (choice,) = answer.choices
    (call,) = choice.message.tool_calls
    arguments = json.loads(call.function.arguments)
    assert choice.finish_reason == "tool_calls"
    assert call.type == "function" and call.function.name == "get_weather"
    assert isinstance(arguments["city"], str)
    assert arguments["unit"] in ("celsius", "fahrenheit")
    assert 1 <= arguments["days"] <= 7


def test_the_result_of_a_tool_reaches_the_model(client: OpenAI) -> None:
    conversation = sim.ask('sim: tool get_weather {"city": "京都", "unit": "celsius", "days": 1}')
    first = client.chat.completions.create(model=sim.CHAT, messages=conversation, tools=[WEATHER])
    (call,) = first.choices[0].message.tool_calls
    assert json.loads(call.function.arguments)["city"] == "京都"
    conversation += [
        first.choices[0].message,
        {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"},
    ]
    second = client.chat.completions.create(model=sim.CHAT, messages=conversation, tools=[WEATHER])
    assert "21 degrees" in second.choices[0].message.content
    assert second.choices[0].finish_reason == "stop"


def test_tools_are_called_side_by_side(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=sim.CHAT,
        messages=sim.ask('sim: tool get_weather {"city": "a"}', 'sim: tool get_weather {"city": "b"}'),
        tools=[WEATHER],
    )
    calls = answer.choices[0].message.tool_calls
    assert [json.loads(call.function.arguments)["city"] for call in calls] == ["a", "b"]
    assert len({call.id for call in calls}) == 2


def test_a_stream_of_tool_calls_comes_together(client: OpenAI) -> None:
    arguments = json.dumps({"city": "x" * 5_000})
    with client.chat.completions.stream(
        model=sim.CHAT, messages=sim.ask(f"sim: tool get_weather {arguments}"), tools=[WEATHER]
    ) as stream:
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == json.loads(arguments)
    assert final.choices[0].finish_reason == "tool_calls"


def test_an_answer_is_parsed_into_a_model(client: OpenAI) -> None:
    answer = client.chat.completions.parse(
        model=sim.CHAT, messages=sim.ask("An order, please."), response_format=Order
    )
    order = answer.choices[0].message.parsed
    assert isinstance(order, Order)
    assert order.items[0].kind in Kind


def test_a_stream_is_parsed_into_a_model(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model=sim.CHAT, messages=sim.ask("An order, please."), response_format=Order
    ) as stream:
        final = stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, Order)


@pytest.mark.parametrize("stream", [False, True])
def test_json_without_a_schema(client: OpenAI, stream: bool) -> None:
    request = {
        "model": sim.CHAT,
        "messages": sim.ask("Some JSON, please."),
        "response_format": {"type": "json_object"},
    }
    if stream:
        chunks = client.chat.completions.create(**request, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    else:
        text = client.chat.completions.create(**request).choices[0].message.content
    assert isinstance(json.loads(text), dict)
