"""Costs, every kind of usage, spend limits and spend alerts, in the official SDK's own types."""

import time
import uuid

import openai
import pytest
from openai import OpenAI

import sim

DAY = 86_400


def today() -> int:
    return int(time.time()) // DAY * DAY


def test_costs_are_typed(client: OpenAI) -> None:
    client.chat.completions.create(model=sim.METERED, messages=sim.ask("sim: tokens 3"))
    costs = client.admin.organization.usage.costs(
        start_time=today(), group_by=["line_item", "project_id", "api_key_id"], limit=180
    )
    assert (costs.object, costs.has_more, costs.next_page) == ("page", False, None)
    [bucket] = costs.data
    assert (bucket.start_time, bucket.object) == (today(), "bucket")
    items = {result.line_item for result in bucket.results}
    assert f"{sim.METERED}, chat_completions" in items
    for result in bucket.results:
        assert result.object == "organization.costs.result"
        assert result.amount.currency == "usd"
        assert result.amount.value >= 0
        assert result.project_id.startswith("proj_")
        assert result.api_key_id.startswith("key_")
    with pytest.raises(openai.BadRequestError):
        client.admin.organization.usage.costs(start_time=today(), limit=181)


@pytest.mark.parametrize(
    ("kind", "question"),
    [
        ("images", {"sizes": ["1024x1024"], "sources": ["image.generation"], "group_by": ["size"]}),
        ("audio_speeches", {"models": ["a"], "group_by": ["model"]}),
        ("audio_transcriptions", {"user_ids": ["a"], "group_by": ["user_id"]}),
        ("vector_stores", {"project_ids": ["a"], "group_by": ["project_id"]}),
        ("code_interpreter_sessions", {"group_by": ["project_id"]}),
        ("web_search_calls", {"context_levels": ["low"], "group_by": ["context_level"]}),
        ("file_search_calls", {"vector_store_ids": ["a"], "group_by": ["vector_store_id"]}),
    ],
)
def test_what_nothing_here_does_is_told_as_nothing(
    client: OpenAI, kind: str, question: dict
) -> None:
    ask = getattr(client.admin.organization.usage, kind)
    page = ask(start_time=today() - 5 * DAY, end_time=today(), limit=3, **question)
    assert len(page.data) == 3
    assert page.has_more
    rest = ask(start_time=today() - 5 * DAY, end_time=today(), limit=3, page=page.next_page, **question)
    assert [len(rest.data), rest.has_more] == [2, False]
    assert all(bucket.results == [] for bucket in page.data + rest.data)


def test_usage_is_apart_by_tier_and_batch(client: OpenAI) -> None:
    client.chat.completions.create(
        model=sim.CHAT, messages=sim.ask("sim: tokens 3"), service_tier="flex"
    )
    page = client.admin.organization.usage.completions(
        start_time=today(), group_by=["service_tier", "batch"], batch=False
    )
    tiers = {result.service_tier for bucket in page.data for result in bucket.results}
    assert "flex" in tiers
    assert all(result.batch is False for bucket in page.data for result in bucket.results)


@pytest.fixture
def project(client: OpenAI) -> str:
    return client.admin.organization.projects.create(name=f"money {uuid.uuid4()}").id


def test_a_projects_spend_limit(client: OpenAI, project: str) -> None:
    limits = client.admin.organization.projects.spend_limit
    with pytest.raises(openai.NotFoundError):
        limits.retrieve(project)
    wish = {"threshold_amount": 5_000, "currency": "USD", "interval": "month"}
    limit = limits.update(project, **wish)
    assert limit.object == "project.spend_limit"
    assert (limit.threshold_amount, limit.currency, limit.interval) == (5_000, "USD", "month")
    assert limit.enforcement.status == "inactive"
    assert limits.update(project, **{**wish, "threshold_amount": 7_000}).threshold_amount == 7_000
    assert limits.retrieve(project).threshold_amount == 7_000
    gone = limits.delete(project)
    assert (gone.object, gone.deleted) == ("project.spend_limit.deleted", True)
    with pytest.raises(openai.NotFoundError):
        limits.delete(project)
    with pytest.raises(openai.BadRequestError):
        limits.update(project, **{**wish, "threshold_amount": 0})


def test_the_organizations_spend_limit(client: OpenAI) -> None:
    limits = client.admin.organization.spend_limit
    made = limits.update(threshold_amount=100_000_000, currency="USD", interval="month")
    assert (made.object, made.enforcement.status) == ("organization.spend_limit", "inactive")
    assert limits.retrieve() == made
    assert limits.delete().deleted
    with pytest.raises(openai.NotFoundError):
        limits.retrieve()


def test_a_projects_spend_alerts(client: OpenAI, project: str) -> None:
    alerts = client.admin.organization.projects.spend_alerts
    channel = {"type": "email", "recipients": ["a@example.com"], "subject_prefix": "Spend"}
    wish = {"currency": "USD", "interval": "month", "notification_channel": channel}
    made = [alerts.create(project, threshold_amount=cents, **wish) for cents in (100, 200, 300)]
    assert {alert.object for alert in made} == {"project.spend_alert"}
    assert made[0].notification_channel.recipients == ["a@example.com"]
    # One alert a page: the SDK turns the pages.
    assert list(alerts.list(project, limit=1)) == made
    assert list(alerts.list(project, order="desc", limit=2)) == made[::-1]
    assert alerts.list(project, before=made[2].id, limit=1).data == [made[1]]
    changed = alerts.update(made[0].id, project_id=project, threshold_amount=150, **wish)
    assert (changed.id, changed.threshold_amount) == (made[0].id, 150)
    assert alerts.retrieve(made[0].id, project_id=project) == changed
    assert alerts.delete(made[0].id, project_id=project).deleted
    assert list(alerts.list(project)) == made[1:]
    with pytest.raises(openai.NotFoundError):
        alerts.retrieve(made[0].id, project_id=project)
    with pytest.raises(openai.BadRequestError):
        alerts.create(project, threshold_amount=-1, **wish)


def test_the_organizations_spend_alerts(client: OpenAI) -> None:
    alerts = client.admin.organization.spend_alerts
    channel = {"type": "email", "recipients": ["a@example.com"]}
    wish = {"currency": "USD", "interval": "month", "notification_channel": channel}
    made = alerts.create(threshold_amount=100, **wish)
    assert (made.object, made.threshold_amount) == ("organization.spend_alert", 100)
    assert made in list(alerts.list())
    gone = alerts.delete(made.id)
    assert (gone.object, gone.deleted, gone.id) == ("organization.spend_alert.deleted", True, made.id)
