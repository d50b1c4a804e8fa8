"""Servings that follow an alias get a revision when it moves."""

from collections.abc import Callable

import pytest

from accounts.access import Access
from models_registry import queries as registry
from models_registry import services as services_of_registry
from models_registry import storage
from models_registry.errors import InUse
from models_registry.models import ModelVersion
from models_registry.versions import aliases
from serving import queries, services
from serving.errors import ServingError
from serving.models import Serving
from serving.settings import Settings
from tests.conftest import People
from worker import following

Export = Callable[..., ModelVersion]


@pytest.fixture
def champion(export: Export, owner: Access) -> Serving:
    """A serving that follows the champion of iris, which is version 1; a version 2 is there."""
    aliases.put(access=owner, version=export(), name="champion")
    export()
    wanted = Settings(name="best", script="Models/iris/1/predictor.py", alias="champion")
    return services.create(access=owner, wanted=wanted)[0]


def move(owner: Access, number: int, name: str = "champion") -> ModelVersion:
    version = registry.version(owner.project, "iris", number)
    aliases.put(access=owner, version=version, name=name)
    following.follow(version.model_id, name)
    return version


def test_it_goes_with_the_alias_with_its_script_and_says_who_moved_it(
    champion: Serving, owner: Access, people: People
) -> None:
    move(people.access(people.bob), 2)
    serving = queries.serving(owner.project, "best")
    revision = serving.current
    assert (revision.number, revision.model_version.number) == (2, 2)
    assert (revision.script_path, revision.alias) == ("Models/iris/2/predictor.py", "champion")
    event = queries.events(serving)[0]
    assert (event.actor, event.kind) == ("bob", "edited")
    move(owner, 2)
    assert queries.serving(owner.project, "best").current.number == 2, (
        "a late or doubled task changes nothing"
    )


def test_other_servings_and_other_aliases_stay_where_they_are(champion: Serving, owner: Access) -> None:
    services.create(access=owner, wanted=Settings(name="fixed", script="Models/iris/1/predictor.py"))
    move(owner, 2, "staging")
    for name in ("best", "fixed"):
        assert queries.serving(owner.project, name).current.number == 1


def test_a_version_without_the_script_is_not_followed_and_the_history_says_why(
    champion: Serving, owner: Access, export: Export
) -> None:
    export(files={"other.py": "x = 1\n"})
    move(owner, 3)
    serving = queries.serving(owner.project, "best")
    assert serving.current.model_version.number == 1
    assert "Could not follow champion to version 3" in queries.events(serving)[0].text


def test_a_followed_alias_cannot_be_removed(champion: Serving, owner: Access) -> None:
    with pytest.raises(InUse, match="best"):
        aliases.remove(access=owner, model=champion.current.model_version.model, name="champion")


def test_alias_and_version_that_contradict_each_other_are_refused(champion: Serving, owner: Access) -> None:
    wanted = Settings(name="other", script="Models/iris/1/predictor.py", alias="champion", model_version=2)
    with pytest.raises(ServingError, match="give either the alias or the version") as caught:
        services.create(access=owner, wanted=wanted)
    assert caught.value.field == "model_version"


def test_choosing_a_version_ends_the_following(champion: Serving, owner: Access) -> None:
    changes = {"script": "Models/iris/2/predictor.py", "model_version": 2}
    services.update(access=owner, serving=champion, changes=changes)
    move(owner, 2)
    revision = queries.serving(owner.project, "best").current
    assert (revision.alias, revision.number) == ("", 2)


def test_a_move_whose_task_was_lost_is_made_up_for(champion: Serving, owner: Access) -> None:
    version = registry.version(owner.project, "iris", 2)
    aliases.put(access=owner, version=version, name="champion")
    following.follow_all()
    assert queries.serving(owner.project, "best").current.model_version == version
    following.follow_all()
    assert queries.serving(owner.project, "best").current.number == 2


def test_what_cannot_be_followed_is_told_once(champion: Serving, owner: Access, export: Export) -> None:
    export(files={"other.py": "x = 1\n"})
    move(owner, 3)
    following.follow_all()
    told = queries.events(champion).filter(text__startswith="Could not follow")
    assert told.count() == 1


def test_a_roll_back_holds_against_the_alias(champion: Serving, owner: Access) -> None:
    move(owner, 2)
    services.roll_back(access=owner, serving=champion, number=1)
    following.follow_all()
    services.update(access=owner, serving=champion, changes={"description": "better"})
    serving = queries.serving(owner.project, "best")
    assert (serving.current.model_version.number, serving.current.alias) == (1, "")
    assert "no longer follows champion" in queries.events(serving).get(kind="rolled back").text


@pytest.mark.parametrize("script", ["Models/iris/1/predictor.py", "Resources/sums.py"])
def test_an_alias_that_is_let_go_leaves_the_version_where_it_is(
    script: str, owner: Access, export: Export
) -> None:
    aliases.put(access=owner, version=export(), name="champion")
    export()
    blob = storage.receive([b"class Predict: pass"])
    services_of_registry.save_file(access=owner, path="Resources/sums.py", blob=blob)
    wanted = Settings(name="best", script=script, model="iris", alias="champion")
    serving, _ = services.create(access=owner, wanted=wanted)
    changed = services.update(access=owner, serving=serving, changes={"alias": ""})
    assert (changed.current.model_version.number, changed.current.alias) == (1, "")
