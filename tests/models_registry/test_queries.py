"""Lists and pages of the registry take as many queries for many rows as for few."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.access import Access
from models_registry import services, storage
from models_registry.models import FileReport, ModelVersion
from models_registry.versions import aliases
from serving import services as servings
from serving.settings import Settings
from tests.conftest import IRIS_SCRIPT, People

API = "/api/projects/garden"
PAGES = "/projects/garden"


@pytest.fixture
def more(owner: Access, export: Callable[..., ModelVersion]) -> Callable[[int], None]:
    """Three more of everything a list shows."""

    def make(start: int) -> None:
        files = {"predictor.py": IRIS_SCRIPT} | {f"{n}.txt": f"{n}" for n in range(start + 3)}
        version = export(files=files, metrics={"accuracy": start})
        draft = services.start_upload(access=owner, model_name="iris")
        for number in range(start, start + 3):
            blob = storage.receive([f"bytes {number}".encode()])
            services.save_file(access=owner, path=f"Resources/{number}", blob=blob)
            services.add_file(draft=draft, path=f"{number}", blob=blob)
            export(name=f"model_{number}")
            aliases.put(access=owner, version=version, name=f"alias-{number}")
            wanted = Settings(name=f"serving{number}", script=f"{version.folder}/predictor.py")
            servings.create(access=owner, wanted=wanted)
        report = {"state": FileReport.State.DONE, "verdict": FileReport.Verdict.SUSPICIOUS, "kind": "pickle"}
        FileReport.objects.update(**report)

    return make


@pytest.mark.parametrize(
    "url",
    [
        f"{PAGES}/models/",
        f"{PAGES}/models/iris/",
        f"{PAGES}/models/iris/1/",
        f"{PAGES}/models/iris/1/delete/",
        f"{PAGES}/models/iris/compare/",
        f"{PAGES}/models/iris/delete/",
        f"{PAGES}/resources/",
        f"{PAGES}/safety/",
        f"{API}/models/",
        f"{API}/models/iris/",
        f"{API}/models/iris/versions/latest/",
        f"{API}/models/iris/uploads/",
        f"{API}/files/",
        f"{API}/reports/",
    ],
)
def test_more_rows_take_no_more_queries(
    url: str, more: Callable[[int], None], people: People, browser_of: Callable[..., Client]
) -> None:
    browser = browser_of(people.alice)
    counts = []
    for start in (0, 3, 6):
        more(start)
        with CaptureQueriesContext(connection) as made:
            assert browser.get(url).status_code == 200
        counts.append(len(made))
    assert counts[1] == counts[2]
