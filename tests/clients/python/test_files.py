"""Files and uploads with the official SDK: in, listed, out, in parts."""

import hashlib
import io
import time
from pathlib import Path

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError, OpenAI

MIB = 1024 * 1024
DATA = bytes(range(256)) * 12_000 + b"the end"


def test_a_file_goes_in_is_found_comes_out_and_goes(client: OpenAI) -> None:
    file = client.files.create(file=("données.bin", io.BytesIO(DATA)), purpose="user_data")
    assert (file.bytes, file.filename, file.status) == (len(DATA), "données.bin", "processed")
    assert file.expires_at is not None and file.expires_at > time.time() + 86_400
    assert client.files.retrieve(file.id) == file
    assert file in list(client.files.list(purpose="user_data"))
    assert file not in list(client.files.list(purpose="batch"))
    assert client.files.content(file.id).read() == DATA
    with client.files.with_streaming_response.content(file.id) as response:
        assert b"".join(response.iter_bytes()) == DATA
    deleted = client.files.delete(file.id)
    assert (deleted.id, deleted.deleted) == (file.id, True)
    with pytest.raises(NotFoundError) as error:
        client.files.content(file.id)
    assert error.value.body["message"] == f"No such File object: {file.id}"


def test_a_path_gives_its_name_and_an_end_can_be_set(client: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"custom_id": "1"}\n')
    file = client.files.create(
        file=path, purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert file.filename == "lines.jsonl"
    assert file.expires_at == file.created_at + 3600
    assert client.files.content(file.id).text == '{"custom_id": "1"}\n'


def test_a_range_comes_out(client: OpenAI) -> None:
    file = client.files.create(file=DATA, purpose="user_data")
    response = client.files.with_raw_response.content(
        file.id, extra_headers={"range": "bytes=65530-65545"}
    )
    assert response.http_response.status_code == 206
    assert response.content == DATA[65530:65546]


def test_lists_come_in_pages(client: OpenAI) -> None:
    made = [client.files.create(file=b"x", purpose="vision").id for _ in range(3)]
    # The SDK asks for page after page.
    newest = [file.id for file in client.files.list(purpose="vision", limit=1)]
    assert newest == made[::-1]
    oldest = [file.id for file in client.files.list(purpose="vision", limit=2, order="asc")]
    assert oldest == made


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"purpose": "batch_output"}, "purpose"),
        ({"purpose": "batch", "expires_after": {"anchor": "created_at", "seconds": 1}}, "expires_after"),
    ],
)
def test_what_is_wrong_is_named(client: OpenAI, asked: dict, param: str) -> None:
    with pytest.raises(BadRequestError) as error:
        client.files.create(file=b"x", **asked)
    assert error.value.param == param


def test_an_upload_in_parts_becomes_a_file(client: OpenAI) -> None:
    upload = client.uploads.create(
        bytes=len(DATA), filename="parts.bin", mime_type="text/plain", purpose="user_data"
    )
    assert (upload.status, upload.file) == ("pending", None)
    last = client.uploads.parts.create(upload.id, data=DATA[MIB:])
    first = client.uploads.parts.create(upload.id, data=DATA[:MIB])
    with pytest.raises(BadRequestError) as error:
        client.uploads.complete(upload.id, part_ids=[first.id])
    assert error.value.param == "part_ids"
    done = client.uploads.complete(
        upload.id, part_ids=[first.id, last.id], md5=hashlib.md5(DATA).hexdigest()
    )
    assert done.status == "completed" and done.file is not None
    assert client.files.content(done.file.id).read() == DATA


def test_the_sdk_splits_a_file_by_itself(client: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(DATA)
    upload = client.uploads.upload_file_chunked(
        file=path,
        mime_type="text/plain",
        purpose="user_data",
        part_size=MIB,
        md5=hashlib.md5(DATA).hexdigest(),
    )
    assert upload.status == "completed" and upload.file is not None
    assert upload.file.filename == "large.bin"
    assert client.files.content(upload.file.id).read() == DATA


def test_an_upload_can_be_cancelled(client: OpenAI) -> None:
    upload = client.uploads.create(
        bytes=5, filename="a", mime_type="text/plain", purpose="user_data"
    )
    client.uploads.parts.create(upload.id, data=b"hello")
    assert client.uploads.cancel(upload.id).status == "cancelled"
    with pytest.raises(BadRequestError):
        client.uploads.parts.create(upload.id, data=b"hello")


@pytest.mark.anyio
async def test_a_file_goes_in_and_out_without_waiting(async_client: AsyncOpenAI) -> None:
    file = await async_client.files.create(file=DATA, purpose="user_data")
    assert (await async_client.files.content(file.id)).read() == DATA
    await async_client.files.delete(file.id)
