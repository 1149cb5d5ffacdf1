"""Files in a bucket: a node of its own against a server that speaks S3's protocol."""

import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import httpx2
import pytest
from openai import OpenAI

import kijun
from processes import free_port, running

MIB = 1024 * 1024
CANARY = b"canary-in-the-bucket "


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    origin = f"http://127.0.0.1:{free_port()}"
    port = origin.rpartition(":")[2]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
    log = tmp_path_factory.mktemp("s3") / "s3.log"
    with running(command, f"{origin}/moto-api/data.json", log):
        httpx2.put(f"{origin}/files").raise_for_status()
        yield f"{origin}/files"


@pytest.fixture(scope="module")
def s3_client(bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    endpoint, _, name = bucket.rpartition("/")
    config = f"""
[discovery]
environment = false
local_servers = false

[files.s3]
bucket = "{name}"
prefix = "below/here"
endpoint = "{endpoint}"
access_key_id = "test"
secret_access_key = "test"
"""
    with kijun.serve(tmp_path_factory.mktemp("kijun-s3"), config) as node:
        with OpenAI(
            api_key=node.api_key,
            base_url=node.base_url,
            max_retries=0,
            timeout=60,
            _strict_response_validation=True,
        ) as client:
            yield client


def listed(bucket: str, tag: str, query: str) -> list[str]:
    """The text of all elements of this name in a listing of the bucket."""
    tree = ElementTree.fromstring(httpx2.get(f"{bucket}?{query}").raise_for_status().content)
    return [found.text or "" for found in tree.iter() if found.tag.rpartition("}")[2] == tag]


def blobs(bucket: str) -> list[str]:
    return [key for key in listed(bucket, "Key", "list-type=2") if not key.endswith("/owner")]


@pytest.mark.parametrize("size", [0, 5, 8 * MIB + 1, 20 * MIB])
def test_a_file_of_any_size_goes_in_and_out(s3_client: OpenAI, bucket: str, size: int) -> None:
    data = (CANARY * (size // len(CANARY) + 1))[:size]
    before = set(blobs(bucket))
    file = s3_client.files.create(file=("a.bin", data), purpose="user_data")
    (key,) = set(blobs(bucket)) - before
    assert key.startswith("below/here/")
    stored = httpx2.get(f"{bucket}/{key}").content
    assert len(stored) > size and b"canary" not in stored
    assert s3_client.files.content(file.id).read() == data
    if size > MIB:
        response = s3_client.files.with_raw_response.content(
            file.id, extra_headers={"range": f"bytes={MIB - 3}-{MIB + 3}"}
        )
        assert response.content == data[MIB - 3 : MIB + 4]
    s3_client.files.delete(file.id)
    assert set(blobs(bucket)) == before


def test_an_upload_in_parts_is_copied_nowhere(
    s3_client: OpenAI, bucket: str, tmp_path: Path
) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(CANARY * MIB)
    before = set(blobs(bucket))
    upload = s3_client.uploads.upload_file_chunked(
        file=path, mime_type="text/plain", purpose="user_data", part_size=9 * MIB
    )
    assert upload.file is not None
    assert len(set(blobs(bucket)) - before) == 3
    assert s3_client.files.content(upload.file.id).read() == path.read_bytes()
    s3_client.files.delete(upload.file.id)
    assert set(blobs(bucket)) == before


def test_a_file_that_is_refused_leaves_nothing(s3_client: OpenAI, bucket: str) -> None:
    before = set(blobs(bucket))
    form = {"files": {"file": ("a.bin", CANARY * MIB)}, "data": {"purpose": "no-such-purpose"}}
    headers = {"authorization": f"Bearer {s3_client.api_key}"}
    answer = httpx2.post(f"{s3_client.base_url}files", headers=headers, timeout=60, **form)
    assert answer.status_code == 400
    assert set(blobs(bucket)) == before
