"""Two projects that try each other's ids on every route: whatever it is, it is not there."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import openai
import pytest
from openai import OpenAI

import sim
from kijun import Kijun

LINE = (
    b'{"custom_id": "1", "method": "POST", "url": "/v1/responses", '
    b'"body": {"model": "%s", "input": "Hello"}}\n' % sim.CHAT.encode()
)


@dataclass(frozen=True)
class Belongings:
    """One of each thing that a project can own."""

    response: str
    background: str
    conversation: str
    item: str
    chat: str
    file: str
    upload: str
    batch: str

    @classmethod
    def made_by(cls, client: OpenAI) -> "Belongings":
        response = client.responses.create(model=sim.CHAT, input="Hello")
        background = client.responses.create(
            model=sim.CHAT, background=True, stream=True, input="sim: tokens 9\nsim: hang after=2"
        )
        conversation = client.conversations.create(items=[{"role": "user", "content": "Hello"}])
        (item,) = client.conversations.items.list(conversation.id)
        chat = client.chat.completions.create(model=sim.CHAT, messages=sim.ask("Hello"), store=True)
        file = client.files.create(file=("lines.jsonl", LINE), purpose="batch")
        upload = client.uploads.create(
            filename="more.jsonl", bytes=len(LINE), mime_type="application/jsonl", purpose="batch"
        )
        batch = client.batches.create(
            input_file_id=file.id, endpoint="/v1/responses", completion_window="24h"
        )
        with background:
            begun = next(iter(background)).response.id
        return cls(
            response.id, begun, conversation.id, item.id, chat.id, file.id, upload.id, batch.id
        )


@pytest.fixture(scope="module")
def clients(node: Kijun) -> Iterator[tuple[OpenAI, OpenAI]]:
    with ExitStack() as stack:
        yield tuple(stack.enter_context(of_new_project(node, name)) for name in ("one", "other"))


@pytest.fixture(scope="module")
def owner(clients: tuple[OpenAI, OpenAI]) -> OpenAI:
    return clients[0]


@pytest.fixture(scope="module")
def stranger(clients: tuple[OpenAI, OpenAI]) -> OpenAI:
    return clients[1]


@pytest.fixture(scope="module")
def owned(owner: OpenAI) -> Iterator[Belongings]:
    belongings = Belongings.made_by(owner)
    yield belongings
    owner.responses.cancel(belongings.background)


def of_new_project(node: Kijun, name: str) -> OpenAI:
    with OpenAI(api_key="none", admin_api_key=node.admin_key, base_url=node.base_url) as admin:
        project = admin.admin.organization.projects.create(name=f"isolation {name}")
        account = admin.admin.organization.projects.service_accounts.create(project.id, name="tests")
    return OpenAI(api_key=account.api_key.value, base_url=node.base_url, max_retries=0, timeout=30)


ATTEMPTS: dict[str, Callable[[OpenAI, Belongings], object]] = {
    "response": lambda c, o: c.responses.retrieve(o.response),
    "response, streamed": lambda c, o: list(c.responses.retrieve(o.background, stream=True)),
    "response's input": lambda c, o: c.responses.input_items.list(o.response),
    "response, cancelled": lambda c, o: c.responses.cancel(o.background),
    "response, deleted": lambda c, o: c.responses.delete(o.response),
    "response, gone on with": lambda c, o: c.responses.create(
        model=sim.CHAT, input="And?", previous_response_id=o.response
    ),
    "response, counted": lambda c, o: c.responses.input_tokens.count(
        model=sim.CHAT, input="And?", previous_response_id=o.response
    ),
    "response, compacted": lambda c, o: c.responses.compact(
        model=sim.CHAT, previous_response_id=o.response
    ),
    "conversation": lambda c, o: c.conversations.retrieve(o.conversation),
    "conversation, changed": lambda c, o: c.conversations.update(o.conversation, metadata={"a": "b"}),
    "conversation, deleted": lambda c, o: c.conversations.delete(o.conversation),
    "conversation, gone on with": lambda c, o: c.responses.create(
        model=sim.CHAT, input="And?", conversation=o.conversation
    ),
    "conversation's items": lambda c, o: c.conversations.items.list(o.conversation),
    "conversation's items, added to": lambda c, o: c.conversations.items.create(
        o.conversation, items=[{"role": "user", "content": "mine"}]
    ),
    "item": lambda c, o: c.conversations.items.retrieve(o.item, conversation_id=o.conversation),
    "item, deleted": lambda c, o: c.conversations.items.delete(o.item, conversation_id=o.conversation),
    "item, referred to": lambda c, o: c.responses.create(model=sim.CHAT, input=[
        {"type": "item_reference", "id": o.item}, {"role": "user", "content": "And?"},
    ]),
    "chat": lambda c, o: c.chat.completions.retrieve(o.chat),
    "chat's messages": lambda c, o: c.chat.completions.messages.list(o.chat),
    "chat, changed": lambda c, o: c.chat.completions.update(o.chat, metadata={"a": "b"}),
    "chat, deleted": lambda c, o: c.chat.completions.delete(o.chat),
    "file": lambda c, o: c.files.retrieve(o.file),
    "file's content": lambda c, o: c.files.content(o.file),
    "file, deleted": lambda c, o: c.files.delete(o.file),
    "file, as input": lambda c, o: c.responses.create(model=sim.CHAT, input=[
        {"role": "user", "content": [{"type": "input_file", "file_id": o.file}]},
    ]),
    "file, in a batch": lambda c, o: c.batches.create(
        input_file_id=o.file, endpoint="/v1/responses", completion_window="24h"
    ),
    "upload, added to": lambda c, o: c.uploads.parts.create(o.upload, data=LINE),
    "upload, completed": lambda c, o: c.uploads.complete(o.upload, part_ids=["part_of_nobody"]),
    "upload, cancelled": lambda c, o: c.uploads.cancel(o.upload),
    "batch": lambda c, o: c.batches.retrieve(o.batch),
    "batch, cancelled": lambda c, o: c.batches.cancel(o.batch),
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS.keys())
def test_anothers_id_is_an_unknown_id(stranger: OpenAI, owned: Belongings, attempt: Callable) -> None:
    """Refused, and in the very words that an id gets which nobody has."""
    nobodys = Belongings(**{name: made_up(value) for name, value in vars(owned).items()})
    told = []
    for ids in (owned, nobodys):
        with pytest.raises((openai.NotFoundError, openai.BadRequestError)) as error:
            attempt(stranger, ids)
        message = error.value.message
        for value in vars(ids).values():
            message = message.replace(value, "ID")
        told.append((error.value.status_code, error.value.code, error.value.param, message))
    assert told[0] == told[1]


def made_up(value: str) -> str:
    """An id of the same form, which nobody has."""
    return value[:-4] + ("0000" if value[-4:] != "0000" else "1111")


@pytest.mark.parametrize("listed", [
    lambda client: client.files.list(),
    lambda client: client.batches.list(),
    lambda client: client.chat.completions.list(),
], ids=["files", "batches", "chats"])
def test_lists_show_ones_own(stranger: OpenAI, owned: Belongings, listed: Callable) -> None:
    assert [thing.id for thing in listed(stranger)] == []


def test_nothing_was_touched(owner: OpenAI, owned: Belongings) -> None:
    assert owner.responses.retrieve(owned.response).id == owned.response
    assert owner.responses.retrieve(owned.background).status in ("queued", "in_progress")
    assert owner.conversations.retrieve(owned.conversation).metadata in (None, {})
    assert len(list(owner.conversations.items.list(owned.conversation))) == 1
    assert owner.chat.completions.retrieve(owned.chat).id == owned.chat
    assert owner.files.content(owned.file).content == LINE
    assert owner.batches.retrieve(owned.batch).status not in ("cancelling", "cancelled")
