"""Who changed what, read by the official SDK."""

import time
import uuid

import openai
import pytest
from openai import OpenAI


@pytest.fixture
def project(client: OpenAI) -> str:
    """A project that was made, given another name, and archived."""
    projects = client.admin.organization.projects
    made = projects.create(name=f"before {uuid.uuid4()}")
    projects.update(made.id, name="after")
    projects.archive(made.id)
    return made.id


def test_entries_are_typed(client: OpenAI, project: str) -> None:
    logs = client.admin.organization.audit_logs
    archived, updated, created = list(logs.list(resource_ids=[project]))
    assert [archived.type, updated.type, created.type] == [
        "project.archived",
        "project.updated",
        "project.created",
    ]
    assert archived.project_archived.id == project
    assert updated.project_updated.changes_requested.title == "after"
    assert created.project_created.data.title.startswith("before ")
    for log in archived, updated, created:
        assert log.id.startswith("audit_log-")
        assert log.project.id == project
        assert log.actor.type == "api_key"
        assert log.actor.api_key.id.startswith("key_admin_")
        assert abs(log.effective_at - time.time()) < 3_600
    chained = [log.model_extra["kijun"] for log in (created, updated, archived)]
    assert [one["sequence"] for one in chained] == sorted(one["sequence"] for one in chained)
    assert all(one["request_id"].startswith("req_") for one in chained)


def test_filters_and_pages(client: OpenAI, project: str) -> None:
    logs = client.admin.organization.audit_logs
    events = ["project.created", "project.archived"]
    found = list(logs.list(resource_ids=[project], event_types=events))
    assert [log.type for log in found] == ["project.archived", "project.created"]
    actor = found[0].actor.api_key.id
    assert len(list(logs.list(project_ids=[project], actor_ids=[actor]))) == 3
    assert list(logs.list(project_ids=[project], actor_emails=["nobody@example.com"])) == []
    now = found[0].effective_at
    assert list(logs.list(resource_ids=[project], effective_at={"gt": now + 60})) == []
    recent = {"gte": now - 60, "lte": now + 60}
    assert len(list(logs.list(resource_ids=[project], effective_at=recent))) == 3
    # One entry a page: the SDK turns the pages.
    turned = [log.id for log in logs.list(resource_ids=[project], limit=1)]
    assert turned == [log.id for log in logs.list(resource_ids=[project])]
    before = logs.list(resource_ids=[project], before=turned[2], limit=1)
    assert [log.id for log in before.data] == [turned[1]]
    with pytest.raises(openai.BadRequestError):
        logs.list(limit=1_000)


def test_a_key_is_followed_through_its_life(client: OpenAI) -> None:
    projects = client.admin.organization.projects
    project = projects.create(name=f"keys {uuid.uuid4()}")
    account = projects.service_accounts.create(project.id, name="robot")
    key = account.api_key.id
    projects.service_accounts.delete(account.id, project_id=project.id)
    logs = list(client.admin.organization.audit_logs.list(resource_ids=[key]))
    assert [log.type for log in logs] == ["service_account.deleted", "api_key.created"]
    assert logs[1].api_key_created.id == key
    assert account.api_key.value not in str(logs)
