import pytest
from openai import NotFoundError, OpenAI

import sim


def test_the_list_has_every_alias(client: OpenAI) -> None:
    models = {model.id: model for model in client.models.list()}
    assert {sim.CHAT, sim.EMBEDDING, sim.MODERATION, sim.NARROW} <= models.keys()
    assert all(model.object == "model" for model in models.values())


def test_one_model_is_retrieved_by_its_alias(client: OpenAI) -> None:
    model = client.models.retrieve(sim.CHAT)
    assert (model.id, model.object) == (sim.CHAT, "model")
    assert isinstance(model.created, int)


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(NotFoundError) as error:
        client.models.retrieve("no-such-model")
    assert error.value.code == "model_not_found"
