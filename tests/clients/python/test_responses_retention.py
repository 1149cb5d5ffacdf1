"""Responses in a project of which nothing may be kept: the state is in the client's hands."""

import time
from collections.abc import Iterator

import pytest
from openai import OpenAI

import sim
from kijun import Kijun

SECONDS = 10


@pytest.fixture(scope="module")
def forgetful(node: Kijun) -> Iterator[OpenAI]:
    with OpenAI(api_key="none", admin_api_key=node.admin_key, base_url=node.base_url) as admin:
        projects = admin.admin.organization.projects
        project = projects.create(name="forgetful")
        account = projects.service_accounts.create(project.id, name="tests")
        setting = projects.data_retention.update(project.id, retention_type="zero_data_retention")
        assert setting.type == projects.data_retention.retrieve(project.id).type == "zero_data_retention"
    with OpenAI(
        api_key=account.api_key.value, base_url=node.base_url, max_retries=0, timeout=30,
        _strict_response_validation=True,
    ) as client:
        until_in_force(client)
        yield client


def until_in_force(client: OpenAI) -> None:
    """Every node keeps to a change within a moment."""
    deadline = time.monotonic() + SECONDS
    while client.responses.create(model=sim.CHAT, input="Hello").to_dict()["store"]:
        assert time.monotonic() < deadline, f"not in force after {SECONDS} s"
        time.sleep(0.05)


def test_reasoning_goes_on_in_the_clients_hands(forgetful: OpenAI) -> None:
    first = forgetful.responses.create(
        model=sim.CHAT, input='sim: reason Hm.\nsim: tool get_weather {"city": "Rome"}', tools=[sim.WEATHER]
    )
    reasoning, call = first.output
    assert reasoning.encrypted_content
    second = forgetful.responses.create(model=sim.CHAT, tools=[sim.WEATHER], input=[
        {"role": "user", "content": "The weather?"},
        reasoning.to_dict(),
        call.to_dict(),
        {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"},
    ])
    assert "21 degrees" in second.output_text


def test_a_connection_remembers_while_it_lasts(forgetful: OpenAI) -> None:
    with forgetful.responses.connect(max_retries=0) as connection:
        previous = None
        for turn in ([{"role": "system", "content": "sim: say by the rule"}], "Two"):
            connection.response.create(model=sim.CHAT, input=turn, previous_response_id=previous)
            last = next(event for event in connection if event.type == "response.completed")
            previous = last.response.id
    assert last.response.output_text == "by the rule"
