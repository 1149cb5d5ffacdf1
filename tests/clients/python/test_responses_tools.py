"""Responses: tools, and answers that fit a schema."""

import json
from enum import Enum

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel, Field

import events
import sim

PATCH = {"type": "custom", "name": "apply_patch", "description": "Takes a patch."}


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


def test_a_forced_tool_is_called(client: OpenAI) -> None:
    response = client.responses.create(
        model=sim.CHAT, input="Hello", tools=[sim.WEATHER], tool_choice="required"
    )
    (call,) = response.output
    assert call.type == "function_call" and call.name == "get_weather" and call.status == "completed"
    assert call.id.startswith("fc_") and call.id != call.call_id
    assert isinstance(json.loads(call.arguments)["city"], str)
    (tool,) = response.tools
    assert tool.to_dict() == sim.WEATHER and response.tool_choice == "required"


def test_a_named_tool_is_called(client: OpenAI) -> None:
    other = {**sim.WEATHER, "name": "get_time"}
    response = client.responses.create(
        model=sim.CHAT, input="Hello", tools=[sim.WEATHER, other],
        tool_choice={"type": "function", "name": "get_time"},
    )
    assert [call.name for call in response.output] == ["get_time"]
    assert response.tool_choice.to_dict() == {"type": "function", "name": "get_time"}


@pytest.mark.parametrize("stored", [True, False])
def test_the_result_of_a_tool_reaches_the_model(client: OpenAI, stored: bool) -> None:
    question = {"role": "user", "content": 'sim: tool get_weather {"city": "京都"}'}
    first = client.responses.create(model=sim.CHAT, input=[question], tools=[sim.WEATHER], store=stored)
    (call,) = first.output
    assert json.loads(call.arguments) == {"city": "京都"}
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}
    if stored:
        further = {"previous_response_id": first.id, "input": [result]}
    else:
        further = {"input": [question, call.to_dict(), result], "store": False}
    second = client.responses.create(model=sim.CHAT, tools=[sim.WEATHER], **further)
    assert "21 degrees" in second.output_text


def test_a_result_may_be_a_list_of_parts(client: OpenAI) -> None:
    first = client.responses.create(model=sim.CHAT, input="sim: tool get_weather", tools=[sim.WEATHER])
    second = client.responses.create(
        model=sim.CHAT, previous_response_id=first.id, tools=[sim.WEATHER],
        input=[{
            "type": "function_call_output", "call_id": first.output[0].call_id,
            "output": [{"type": "input_text", "text": "nineteen degrees"}],
        }],
    )
    assert "nineteen degrees" in second.output_text


def test_a_result_without_its_call_is_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.responses.create(model=sim.CHAT, input=[
            {"type": "function_call_output", "call_id": "call_of_nobody", "output": "42"},
        ])
    assert "call_of_nobody" in error.value.message


def test_tools_are_called_side_by_side(client: OpenAI) -> None:
    calls = client.responses.create(
        model=sim.CHAT, tools=[sim.WEATHER],
        input='sim: tool get_weather {"city": "a"}\nsim: tool get_weather {"city": "b"}',
    ).output
    assert [json.loads(call.arguments)["city"] for call in calls] == ["a", "b"]
    assert len({call.call_id for call in calls}) == 2


def test_a_custom_tool_takes_free_text(client: OpenAI) -> None:
    patch = "*** Begin\n+ \"one\" line\n*** End"
    request = {
        "model": sim.CHAT,
        "input": f"sim: tool apply_patch {json.dumps({'input': patch})}",
        "tools": [PATCH],
    }
    first = client.responses.create(**request)
    (call,) = first.output
    assert call.type == "custom_tool_call" and call.name == "apply_patch" and call.input == patch
    closing = events.check(event.to_dict() for event in client.responses.create(**request, stream=True))
    assert closing["output"][0]["input"] == patch
    second = client.responses.create(
        model=sim.CHAT, previous_response_id=first.id, tools=[PATCH],
        input=[{"type": "custom_tool_call_output", "call_id": call.call_id, "output": "patched"}],
    )
    assert "patched" in second.output_text


@pytest.mark.parametrize("tool", [
    {"type": "web_search"},
    {"type": "namespace", "name": "crm", "description": "CRM", "tools": [sim.WEATHER]},
    {"type": "local_shell"},
    {"type": "of_next_year", "anything": {"goes": True}},
])
def test_a_tool_that_is_not_known_here_is_no_error(lenient: OpenAI, tool: dict) -> None:
    response = lenient.responses.create(
        model=sim.CHAT, input='sim: say "fine"', tools=[tool, sim.WEATHER]
    )
    assert response.output_text == "fine"
    assert [told.type for told in response.tools] == [tool["type"], "function"]


def test_an_answer_is_parsed_into_a_model(client: OpenAI) -> None:
    response = client.responses.parse(model=sim.CHAT, input="An order, please.", text_format=Order)
    assert isinstance(response.output_parsed, Order)
    assert response.text.format.type == "json_schema" and response.text.format.strict is True


def test_arguments_are_parsed_into_a_model(client: OpenAI) -> None:
    response = client.responses.parse(
        model=sim.CHAT, input="An order, please.", tool_choice="required",
        tools=[openai.pydantic_function_tool(Order)],
    )
    assert isinstance(response.output[0].parsed_arguments, Order)


def test_json_without_a_schema(client: OpenAI) -> None:
    response = client.responses.create(
        model=sim.CHAT, input="Some JSON, please.", text={"format": {"type": "json_object"}}
    )
    assert isinstance(json.loads(response.output_text), dict)


def test_a_schema_that_strict_mode_forbids_is_named(client: OpenAI) -> None:
    loose = {"type": "object", "properties": {"a": {"type": "string"}}, "required": []}
    with pytest.raises(openai.BadRequestError) as error:
        client.responses.create(model=sim.CHAT, input="Hello", text={"format": {
            "type": "json_schema", "name": "loose", "schema": loose, "strict": True,
        }})
    assert "additionalProperties" in error.value.message
    assert error.value.code == "invalid_json_schema"
