"""How long content is kept, set by the official SDK; and projects of which nothing is kept."""

import io
import uuid

import openai
import pytest
from openai import OpenAI

import sim


@pytest.fixture
def forgetful(client: OpenAI) -> OpenAI:
    """A client of a new project with zero data retention."""
    admin = client.admin.organization.projects
    project = admin.create(name=f"forgetful {uuid.uuid4()}")
    changed = admin.data_retention.update(project.id, retention_type="zero_data_retention")
    assert changed.type == "zero_data_retention"
    account = admin.service_accounts.create(project.id, name="tests")
    return client.with_options(api_key=account.api_key.value)


def test_an_organization_has_a_setting(client: OpenAI) -> None:
    retention = client.admin.organization.data_retention
    before = retention.retrieve()
    assert before.object == "organization.data_retention"
    changed = retention.update(retention_type="enhanced_modified_abuse_monitoring")
    assert changed.type == "enhanced_modified_abuse_monitoring"
    assert retention.retrieve().type == "enhanced_modified_abuse_monitoring"
    assert retention.update(retention_type=before.type).type == before.type


def test_a_project_has_its_organizations_until_it_has_its_own(client: OpenAI) -> None:
    projects = client.admin.organization.projects
    project = projects.create(name=f"retention {uuid.uuid4()}")
    assert projects.data_retention.retrieve(project.id).type == "organization_default"
    days = {"retention_days": 7}
    changed = projects.data_retention.update(project.id, retention_type="none", extra_body=days)
    assert (changed.type, changed.model_extra["retention_days"]) == ("none", 7)
    with pytest.raises(openai.NotFoundError):
        projects.data_retention.retrieve("proj_none")
    with pytest.raises(openai.BadRequestError):
        projects.data_retention.update(
            project.id, retention_type="none", extra_body={"retention_days": 0}
        )


def test_nothing_of_a_forgetful_project_is_kept(forgetful: OpenAI) -> None:
    response = forgetful.responses.create(model=sim.CHAT, input="Hello", store=True)
    assert response.output_text
    with pytest.raises(openai.NotFoundError):
        forgetful.responses.retrieve(response.id)
    chat = forgetful.chat.completions.create(
        model=sim.CHAT, messages=sim.ask("Hello"), store=True
    )
    with pytest.raises(openai.NotFoundError):
        forgetful.chat.completions.retrieve(chat.id)


def test_what_would_have_to_be_kept_is_refused(forgetful: OpenAI) -> None:
    for refused in [
        lambda: forgetful.responses.create(model=sim.CHAT, input="Hello", background=True),
        lambda: forgetful.conversations.create(),
        lambda: forgetful.files.create(file=("a.txt", io.BytesIO(b"Hello")), purpose="user_data"),
        lambda: forgetful.uploads.create(
            filename="a.txt", bytes=5, mime_type="text/plain", purpose="user_data"
        ),
        lambda: forgetful.batches.create(
            input_file_id="file-1", endpoint="/v1/responses", completion_window="24h"
        ),
    ]:
        with pytest.raises(openai.PermissionDeniedError) as error:
            refused()
        assert error.value.code == "zero_data_retention"
