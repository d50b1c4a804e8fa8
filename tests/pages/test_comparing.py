"""Comparing two revisions of a serving on its page, and rolling back from there."""

import re
from collections.abc import Callable

import pytest

from accounts.access import Access
from models_registry import services as registry
from models_registry import storage
from models_registry.models import ModelVersion
from serving import services
from serving.models import Serving
from tests.conftest import IRIS_SCRIPT
from tests.pages.conftest import SCRIPT, Pages

TRANSFORMER = "class Transformer:\n    def preprocess(self, inputs):\n        return inputs\n"


@pytest.fixture
def edited(serving: Serving, owner: Access, export: Callable[..., ModelVersion]) -> Serving:
    """Revision 2 differs from 1 in model, script, transformer, requirements and variables; 3 in memory alone."""
    export(files={"predictor.py": IRIS_SCRIPT.replace("sum(row)", "max(row)"), "weights.txt": "1 2 3\n"})
    blob = storage.receive([TRANSFORMER.encode()])
    registry.save_file(access=owner, path="Resources/scaler.py", blob=blob)
    changes = {
        "script": "Models/iris/2/predictor.py",
        "transformer": "Resources/scaler.py",
        "requirements": "six==1.17.0",
        "variables": {"SECRET": "s3cr3t"},
    }
    services.update(access=owner, serving=serving, changes=changes)
    return services.update(access=owner, serving=serving, changes={"memory_mb": 2048})


def rows(content: str, state: str) -> list[str]:
    return re.findall(
        rf'<tr class="changes__{state}">\s*<th scope="row" data-label="Name">(.*?) <span', content
    )


def test_what_differs_comes_first_and_the_rest_is_folded(edited: Serving, vera: Pages) -> None:
    content = vera.get("servings/Iris/compare/?a=1&b=2").content.decode()
    changed, folded = content.split('<details class="fold">')
    assert rows(changed, "changed")[:4] == ["model version", "script", "transformer", "requirements"]
    assert rows(changed, "same") == []
    assert "replicas" in rows(folded, "same")
    assert "iris@1" in changed
    assert "iris@2" in changed


def test_script_transformer_and_requirements_are_shown_as_texts(edited: Serving, vera: Pages) -> None:
    content = vera.get("servings/Iris/compare/?a=1&b=2").content.decode()
    removed = re.findall(r'diff__line--removed">.*?diff__text">(.*?)</td>', content, re.DOTALL)
    added = re.findall(r'diff__line--added">.*?diff__text">(.*?)</td>', content, re.DOTALL)
    assert "        return [sum(row) for row in inputs]" in removed
    assert "        return [max(row) for row in inputs]" in added
    assert "class Transformer:" in added
    assert "six==1.17.0" in added


def test_files_are_compared_by_their_digests(edited: Serving, vera: Pages) -> None:
    content = vera.get("servings/Iris/compare/?a=1&b=2").content.decode()
    found = re.findall(r'data-label="File">(.*?)</th>\s*<td data-label="What"><span.*?>(\w+)</span>', content)
    assert found == [("predictor.py", "changed"), ("transformer-scaler.py", "added")]
    assert "1 file with the same bytes" in content


def test_values_of_variables_are_for_those_who_may_write(edited: Serving, bob: Pages, vera: Pages) -> None:
    path = "servings/Iris/compare/?a=1&b=2"
    assert b"s3cr3t" in bob.get(path).content
    seen = vera.get(path).content
    assert b"SECRET" in seen
    assert b"s3cr3t" not in seen


def test_without_numbers_the_current_revision_is_compared_with_the_one_before(
    edited: Serving, vera: Pages
) -> None:
    content = vera.get("servings/Iris/compare/").content.decode()
    assert "revision 2 → 3" in content
    assert rows(content.split('<details class="fold">')[0], "changed") == ["memory (MB)"]


@pytest.mark.parametrize("query", ["?a=9", "?a=x&b=1", "?a=1&b=-1", "?a=1&b=99999999999999999999", "?a=²"])
def test_a_revision_that_is_not_there_is_said_to_be_missing(edited: Serving, vera: Pages, query: str) -> None:
    response = vera.get(f"servings/Iris/compare/{query}")
    assert response.status_code == 404
    assert b"Iris has no revision" in response.content


def test_two_clicks_bring_an_old_revision_back(edited: Serving, bob: Pages) -> None:
    history = bob.get("servings/Iris/history/").content.decode()
    assert 'action="/projects/garden/servings/Iris/roll-back/1/"' in history
    assert "servings/Iris/compare/?a=1&amp;b=3" in history
    content = bob.get("servings/Iris/compare/?a=1&b=3").content.decode()
    assert "Roll back to revision 1" in content
    assert "Roll back to revision 3" not in content, "it is the current one"
    bob.post("servings/Iris/roll-back/1/")
    assert "Both run the very same" in bob.get("servings/Iris/compare/?a=1&b=4").content.decode()


def test_who_may_compare_and_roll_back(edited: Serving, pages: Callable[[str], Pages]) -> None:
    path = "servings/Iris/compare/?a=1&b=2"
    for person, status, may in [("alice", 200, True), ("bob", 200, True), ("vera", 200, False)]:
        response = pages(person).get(path)
        assert response.status_code == status
        assert (b"/roll-back/1/" in response.content) == may
    assert pages("charlie").get(path).status_code == 404
    assert pages("vera").post("servings/Iris/roll-back/1/").status_code == 403


def test_a_single_revision_offers_nothing_to_choose(serving: Serving, bob: Pages) -> None:
    assert b'name="a"' not in bob.get("servings/Iris/history/").content
    assert b"compared with itself" in bob.get("servings/Iris/compare/").content


def test_a_script_that_is_no_text_is_named_and_not_shown(serving: Serving, owner: Access, bob: Pages) -> None:
    blob = storage.receive([b"\x00\xff not text"])
    registry.save_file(access=owner, path="Resources/odd.py", blob=blob)
    services.update(access=owner, serving=serving, changes={"script": "Resources/odd.py", "model": "iris"})
    content = bob.get("servings/Iris/compare/?a=1&b=2").content.decode()
    assert "It is no plain text" in content
    assert SCRIPT in content
