"""Responses in the background: polled, streamed from where one left off, cancelled."""

import time
from itertools import islice

import openai
import pytest
from openai import OpenAI
from openai.types.responses import Response

import events
import sim

SECONDS = 30
# Says this much and then nothing more, until it is cancelled.
ENDLESS = "sim: tokens 20\nsim: hang after=8"


def finished(client: OpenAI, response_id: str) -> Response:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        response = client.responses.retrieve(response_id)
        if response.status not in ("queued", "in_progress"):
            return response
        time.sleep(0.05)
    raise AssertionError(f"still {response.status} after {SECONDS} s")


def test_a_response_is_polled_until_it_is_there(client: OpenAI) -> None:
    made = client.responses.create(model=sim.CHAT, input='sim: say "in the end"', background=True)
    assert made.background is True and made.status in ("queued", "in_progress") and made.output == []
    response = finished(client, made.id)
    assert response.status == "completed" and response.output_text == "in the end"
    assert response.usage.output_tokens > 0
    further = client.responses.create(model=sim.CHAT, input="And?", previous_response_id=made.id)
    assert further.previous_response_id == made.id


def test_a_failure_in_the_background_is_kept(client: OpenAI) -> None:
    made = client.responses.create(
        model=sim.FAILING, input='sim: fail 400 message="as scripted"', background=True
    )
    response = finished(client, made.id)
    assert response.status == "failed" and "as scripted" in response.error.message


def test_a_stream_goes_on_where_one_left_off(client: OpenAI) -> None:
    with client.responses.create(
        model=sim.CHAT, input="sim: tokens 40\nsim: pace 10ms", background=True, stream=True
    ) as stream:
        begun = [event.to_dict() for event in islice(stream, 6)]
    made = begun[0]["response"]["id"]
    rest = client.responses.retrieve(made, stream=True, starting_after=begun[-1]["sequence_number"])
    closing = events.check(begun + [event.to_dict() for event in rest])
    assert closing["status"] == "completed" and closing["usage"]["output_tokens"] == 40

    again = [event.to_dict() for event in client.responses.retrieve(made, stream=True)]
    assert events.check(again) == closing
    tail = client.responses.retrieve(
        made, stream=True, starting_after=again[-2]["sequence_number"]
    )
    assert [event.to_dict() for event in tail] == again[-1:]


def test_generation_does_not_need_its_client(client: OpenAI) -> None:
    with client.responses.create(
        model=sim.CHAT, input='sim: pace 20ms\nsim: say "all of these words, one by one"',
        background=True, stream=True,
    ) as stream:
        made = next(iter(stream)).response.id
    assert finished(client, made).output_text == "all of these words, one by one"


def test_a_response_is_cancelled(client: OpenAI) -> None:
    made = client.responses.create(model=sim.CHAT, input=ENDLESS, background=True)
    assert client.responses.cancel(made.id).status == "cancelled"
    assert client.responses.cancel(made.id).status == "cancelled", "once more changes nothing"
    assert client.responses.retrieve(made.id).status == "cancelled"


def test_a_stream_that_is_cancelled_ends(client: OpenAI) -> None:
    stream = client.responses.create(model=sim.CHAT, input=ENDLESS, background=True, stream=True)
    seen = []
    for event in stream:
        seen.append(event.to_dict())
        if len(seen) == 8:
            client.responses.cancel(seen[0]["response"]["id"])
    assert events.check(seen)["status"] == "cancelled"
    made = seen[0]["response"]["id"]
    assert client.responses.retrieve(made).status == "cancelled"
    again = [event.to_dict() for event in client.responses.retrieve(made, stream=True)]
    assert again == seen, "what was sent is what is kept"


def test_only_background_responses_are_cancelled(client: OpenAI) -> None:
    made = client.responses.create(model=sim.CHAT, input='sim: say "done"')
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(made.id)


def test_only_what_was_streamed_is_streamed_again(client: OpenAI) -> None:
    made = client.responses.create(model=sim.CHAT, input='sim: say "no events"', background=True)
    finished(client, made.id)
    with pytest.raises(openai.BadRequestError) as error:
        client.responses.retrieve(made.id, stream=True)
    assert "stream" in error.value.message
