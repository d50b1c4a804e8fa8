"""The pages of versions: what is said of them, sorted, compared, and changed by plain forms."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from models_registry.models import Alias, ModelVersion
from serving.models import Serving
from tests.conftest import IRIS_SCRIPT
from tests.pages.conftest import Pages

SCHEMA = (
    '{"input_schema": {"columnar_schema": [{"name": "sepal", "type": "float64", "description": "in cm"}]}}'
)


@pytest.fixture
def told(export: Callable[..., ModelVersion]) -> ModelVersion:
    """A version of which everything is said."""
    return export(
        files={
            "predictor.py": IRIS_SCRIPT,
            "input_example.json": '{"instances": [[5.1, 3.5]]}',
            "model_schema.json": SCHEMA,
        },
        tags={"data": {"rows": 150}},
        packages={"scikit-learn": "1.5.0"},
        provenance={"user": "alice", "git_commit": "c0ffee", "git_is_dirty": True, "python": "3.12.1"},
    )


def text(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_a_version_shows_everything_that_is_said_of_it(told: ModelVersion, vera: Pages) -> None:
    shown = text(vera.get("models/iris/1/"))
    for part in (
        "data {&quot;rows&quot;: 150}",
        "scikit-learn 1.5.0",
        "Git commit c0ffee",
        "Uncommitted changes yes",
        "Python 3.12.1",
        "sepal float64 – in cm",
        "{ &quot;instances&quot;: [ [5.1, 3.5] ] }",
    ):
        assert part in shown, part
    assert "<button type" not in vera.get("models/iris/1/").content.decode().split("<main")[1]


@pytest.mark.parametrize(
    "broken", ["no json", "[" * 100_000, '"' + "x" * 70_000 + '"', '"<script>"', "[1, NaN]"]
)
def test_a_broken_example_or_schema_is_shown_as_what_it_is(
    broken: str, export: Callable[..., ModelVersion], vera: Pages
) -> None:
    export(files={"m": "m", "input_example.json": broken, "model_schema.json": broken})
    response = vera.get("models/iris/1/")
    assert response.status_code == 200
    assert "Input example" in text(response)
    assert b"<script>" not in response.content


def test_aliases_are_set_moved_and_removed_by_forms(export: Callable[..., ModelVersion], bob: Pages) -> None:
    export(), export()
    bob.post("models/iris/1/aliases/", {"alias": "champion"})
    assert "Move here" in text(bob.get("models/iris/2/"))
    moved = bob.post("models/iris/2/aliases/", {"alias": "champion"}, follow=True)
    assert "champion stands for iris version 2" in text(moved)
    assert Alias.objects.get().version.number == 2
    assert "champion" in text(bob.get("models/iris/"))
    assert "champion" in text(bob.get("models/"))
    bob.post("models/iris/2/aliases/champion/remove/")
    assert not Alias.objects.exists()
    again = bob.post("models/iris/2/aliases/champion/remove/", follow=True)
    assert "has no alias champion" in text(again)


@pytest.mark.parametrize("alias", ["latest", "Big", "", "7"])
def test_a_bad_alias_is_said_beside_its_field(told: ModelVersion, bob: Pages, alias: str) -> None:
    response = bob.post("models/iris/1/aliases/", {"alias": alias})
    assert response.status_code == 400
    assert b'id="id_alias_error"' in response.content
    assert not Alias.objects.exists()


def test_the_followers_of_an_alias_are_named_and_keep_it(serving: Serving, bob: Pages) -> None:
    bob.post("models/iris/1/aliases/", {"alias": "champion"})
    serving.revisions.update(alias="champion")
    assert "Followed by Iris" in text(bob.get("models/iris/1/"))
    refused = bob.post("models/iris/1/aliases/champion/remove/", follow=True)
    assert "is followed by Iris; edit or delete those servings first" in text(refused)
    assert Alias.objects.exists()


def test_deleting_a_version_warns_of_its_aliases(told: ModelVersion, bob: Pages) -> None:
    bob.post("models/iris/1/aliases/", {"alias": "champion"})
    assert "Its alias champion goes with it" in text(bob.get("models/iris/1/delete/"))


def test_tags_are_kept_and_removed_by_forms(told: ModelVersion, bob: Pages) -> None:
    for name, value in {"rows": "150", "note": "one & two", "list": "[1, 2]", "odd": "1e999"}.items():
        assert bob.post("models/iris/1/tags/", {"name": name, "value": value}).status_code == 302
    told.refresh_from_db()
    assert told.tags == {
        "data": {"rows": 150},
        "rows": 150,
        "note": "one & two",
        "list": [1, 2],
        "odd": "1e999",
    }
    bob.post("models/iris/1/tags/data/remove/")
    told.refresh_from_db()
    assert "data" not in told.tags
    assert "has no tag data" in text(bob.post("models/iris/1/tags/data/remove/", follow=True))


@pytest.mark.parametrize(
    ("name", "value"), [("a b", "1"), ("", "1"), ("a", ""), ("a", '"\\u0000"'), ("a", "x" * 4001)]
)
def test_a_bad_tag_is_said_and_nothing_changes(told: ModelVersion, bob: Pages, name: str, value: str) -> None:
    response = bob.post("models/iris/1/tags/", {"name": name, "value": value})
    assert response.status_code == 400
    assert b'class="errorlist"' in response.content
    told.refresh_from_db()
    assert told.tags == {"data": {"rows": 150}}


def test_what_is_said_is_edited_and_what_was_not_touched_stays(
    export: Callable[..., ModelVersion], bob: Pages
) -> None:
    version = export(metrics={"accuracy": "0.50", "kind": "knn"}, description="one\ntwo", framework="sklearn")
    form = bob.get("models/iris/1/describe/").context["form"]
    given = {name: form[name].value() for name in form.fields}
    given["description"] = given["description"].replace("\n", "\r\n")
    given["framework"] = "PyTorch"
    response = bob.post("models/iris/1/describe/", given)
    assert response["Location"] == "/projects/garden/models/iris/1/"
    version.refresh_from_db()
    assert version.metrics == {"accuracy": "0.50", "kind": "knn"}
    assert (version.description, version.framework) == ("one\ntwo", "PyTorch")
    bob.post("models/iris/1/describe/", {**given, "metrics": "accuracy=0.75"})
    version.refresh_from_db()
    assert version.metrics == {"accuracy": 0.75}


def test_wrong_metrics_are_said_beside_their_field(told: ModelVersion, bob: Pages) -> None:
    response = bob.post("models/iris/1/describe/", {"metrics": "accuracy 3", "description": "kept as typed"})
    assert response.status_code == 400
    assert b"id_metrics_error" in response.content
    assert b"kept as typed" in response.content


@pytest.fixture
def several(export: Callable[..., ModelVersion]) -> None:
    for accuracy in (0.5, "0.9", 0.7):
        export(metrics={"accuracy": accuracy, "loss": 1})
    export(metrics={"kind": "knn"})


def rows(response: Any) -> list[str]:
    return re.findall(r'<th scope="row"[^>]*>\s*<a href="[^"]*">(\d+)</a>', response.content.decode())


def test_the_table_is_sorted_by_a_metric_with_plain_links(several: None, vera: Pages) -> None:
    plain = vera.get("models/iris/")
    assert rows(plain) == ["4", "3", "2", "1"]
    link = re.search(r'aria-sort="none"><a class="[^"]*" href="([^"]*)">accuracy', plain.content.decode())
    assert link is not None
    best = vera.get("models/iris/" + link[1].replace("&amp;", "&"))
    assert rows(best) == ["2", "3", "1", "4"]
    assert 'aria-sort="descending"' in best.content.decode()
    assert rows(vera.get("models/iris/?sort=accuracy&direction=min")) == ["1", "3", "2", "4"]
    assert rows(vera.get("models/iris/?sort=nothing&direction=odd")) == ["4", "3", "2", "1"]


def test_many_metrics_get_no_column_but_can_be_sorted_by(
    export: Callable[..., ModelVersion], vera: Pages
) -> None:
    export(metrics={f"m{number}": number for number in range(8)})
    shown = vera.get("models/iris/").content.decode()
    assert shown.count("aria-sort") == 5
    assert "Also measured" in shown
    assert 'aria-sort="descending"' in vera.get("models/iris/?sort=m7").content.decode()


def test_the_order_stays_from_page_to_page(export: Callable[..., ModelVersion], vera: Pages) -> None:
    for number in range(51):
        export(files={"m": "m"}, metrics={"accuracy": number})
    first = vera.get("models/iris/?sort=accuracy&direction=min")
    assert rows(first)[:2] == ["1", "2"]
    assert "sort=accuracy&amp;direction=min&amp;page=2" in first.content.decode()
    assert rows(vera.get("models/iris/?sort=accuracy&direction=min&page=2")) == ["51"]


def test_two_versions_are_chosen_and_compared(export: Callable[..., ModelVersion], vera: Pages) -> None:
    export(files={"predictor.py": "one\n<b>two</b>\n"}, metrics={"accuracy": 0.5}, tags={"data": "march"})
    export(files={"predictor.py": "one\n<b>2</b>\n"}, metrics={"accuracy": 0.75}, packages={"numpy": "2.0"})
    chosen = vera.get("models/iris/").content.decode()
    assert 'name="a" value="1"' in chosen
    assert 'name="b" value="2"' in chosen
    response = vera.get("models/iris/compare/?a=1&b=2")
    shown = text(response)
    for part in ("+0.25", "predictor.py", "+1 −1", "tag data", "numpy", "version 1 → 2"):
        assert part in shown, part
    assert b"&lt;b&gt;two&lt;/b&gt;" in response.content
    assert b"<b>two" not in response.content
    assert "version 1 → 2" in text(vera.get("models/iris/compare/"))
    assert "version 2 → 1" in text(vera.get("models/iris/compare/?a=2&b=1"))


def test_one_version_is_compared_with_itself_in_a_sentence(told: ModelVersion, vera: Pages) -> None:
    assert "compared with itself" in text(vera.get("models/iris/compare/"))


@pytest.mark.parametrize(
    "path", ["models/iris/compare/?a=9", "models/nothing/compare/", "models/iris/compare/?b=x"]
)
def test_what_is_not_there_is_not_found(told: ModelVersion, vera: Pages, path: str) -> None:
    assert vera.get(path).status_code == 404


@pytest.mark.parametrize(
    "path", ["aliases/", "aliases/champion/remove/", "tags/", "tags/data/remove/", "describe/"]
)
def test_only_members_change_what_is_said(
    told: ModelVersion, pages: Callable[[str], Pages], path: str
) -> None:
    given = {"alias": "champion", "name": "x", "value": "1", "description": "new"}
    for person, status in {"vera": 403, "charlie": 404, "bob": 302, "alice": 302}.items():
        assert pages(person).post(f"models/iris/1/{path}", given).status_code == status, person
