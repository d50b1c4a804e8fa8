"""Servings brought about by real steps of the worker, with real replicas."""

from collections.abc import Callable, Iterator

import pytest

from accounts.access import Access
from accounts.models import Project
from models_registry.models import ModelVersion
from serving import logs, queries, services
from serving.models import Preflight, Serving
from serving.settings import Settings
from tests.waiting import eventually
from worker import installed, preflight, reconcile
from worker.deployers.base import Deployer
from worker.topics import making


@pytest.fixture
def deployer(db: None) -> Iterator[Deployer]:
    deployer = installed.deployer()
    yield deployer
    for found in Preflight.objects.all():
        deployer.remove(found.key)
    for serving in Serving.objects.select_related("project"):
        deployer.remove(serving.key)
        logs.forget(serving.key)


@pytest.fixture
def now(project: Project) -> Callable[[str], Serving]:
    """The serving as it is in the database now."""
    return lambda name: queries.serving(project, name)


@pytest.fixture
def settle(deployer: Deployer, project: Project) -> Callable[[str], Serving]:
    """Take steps until nothing is left to do."""

    def run(name: str = "iris") -> Serving:
        serving = queries.serving(project, name)
        eventually(lambda: take_steps(serving.pk, deployer), seconds=40, what="a settled serving")
        return queries.serving(project, name)

    return run


def take_steps(serving_id: int, deployer: Deployer) -> bool:
    """One step of everything that the worker does for a serving; whether nothing is left to do."""
    making.make_all()
    under_way = Preflight.objects.filter(revisions__serving=serving_id).exclude(
        state__in=[Preflight.State.PASSED, Preflight.State.FAILED]
    )
    for found in under_way.distinct():
        preflight.step(found.pk, deployer)
    return reconcile.step(serving_id, deployer)


@pytest.fixture
def create(owner: Access, export: Callable[..., ModelVersion]) -> Callable[..., Serving]:
    """A serving of a script given as text, not yet started."""

    def make(script: str | None = None, name: str = "iris", **settings: object) -> Serving:
        files = None if script is None else {"predictor.py": script, "weights.txt": "1 2 3"}
        version = export(files=files)
        wanted = Settings(name=name, script=f"{version.folder}/predictor.py", **settings)  # type: ignore[arg-type]
        created, _ = services.create(access=owner, wanted=wanted)
        making.make_all()
        return created

    return make
