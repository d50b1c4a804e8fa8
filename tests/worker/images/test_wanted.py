"""From a revision that runs in containers to the image they start from, by the worker's own tasks."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import docker
import pytest
from django.conf import LazySettings
from django.utils import timezone

from accounts import work
from serving.environments import images, platform_packages, service
from serving.models import Environment, Image, Revision, Serving
from tests.worker.images.conftest import forget
from worker.deployers.base import DeployerError
from worker.environments import prepare, tries
from worker.images import collect, engine, host, names, rows, tasks, wanted
from worker.images.build import Order

LONG_AGO = timedelta(days=365)


@pytest.fixture
def built(docker_engine: docker.DockerClient, small_image: str, in_docker: Revision) -> Image:
    """The image of the small lock, known to the database."""
    assert prepare.ready(in_docker).sentence == "Building the image"
    image = Image.objects.get()
    tasks.build_image(image.pk)
    image.refresh_from_db()
    return image


def test_a_revision_is_ready_once_its_image_is_there(built: Image, in_docker: Revision) -> None:
    prepared = prepare.ready(in_docker)
    assert prepared.is_ready, prepared
    assert (prepared.image, prepared.python) == (built.reference, None)
    assert dict(prepared.variables) == {"PYTHONPATH": "/opt/hopyard"}
    assert built.state == Image.State.READY
    assert built.image_id.startswith("sha256:")
    assert built.size_bytes > 10**8


def test_no_folder_is_built_for_it(built: Image, environment: Environment) -> None:
    environment.refresh_from_db()
    assert (environment.state, environment.path) == ("waiting", "")
    assert images.are_enough(environment)
    Revision.objects.update(deployer="local")
    assert not images.are_enough(environment)


def test_the_name_is_known_before_the_image_is(small_image: str, in_docker: Revision) -> None:
    prepared = prepare.ready(in_docker)
    assert (prepared.is_ready, prepared.image) == (False, small_image)


def test_an_image_that_was_removed_is_built_again(
    docker_engine: docker.DockerClient, built: Image, in_docker: Revision
) -> None:
    docker_engine.images.remove(built.reference)
    prepared = prepare.ready(in_docker)
    assert (prepared.is_ready, prepared.sentence) == (False, "Building the image")
    assert rows.build_row(built.pk)
    built.refresh_from_db()
    found = engine.find(docker_engine, built.reference)
    assert found is not None
    assert (prepare.ready(in_docker).is_ready, built.image_id) == (True, found.id)
    assert images.ON_TOP in built.log


def test_an_image_under_its_name_that_is_not_what_was_built_is_not_started(
    docker_engine: docker.DockerClient, built: Image, in_docker: Revision, order: Order
) -> None:
    docker_engine.images.get(order.server).tag(built.reference)
    assert not prepare.ready(in_docker).is_ready
    assert rows.build_row(built.pk)
    assert prepare.ready(in_docker).is_ready


def test_an_engine_that_does_not_answer_takes_nothing_away(
    built: Image, in_docker: Revision, settings: LazySettings
) -> None:
    settings.DOCKER_URL = "unix:///nonexistent/docker.sock"
    assert prepare.ready(in_docker).image == built.reference
    assert prepare.ready(in_docker).is_ready


def test_an_image_that_is_there_is_not_asked_for_again_until_a_start_misses_it(
    docker_engine: docker.DockerClient, built: Image, in_docker: Revision, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    inspect = docker.APIClient.inspect_image

    def counted(self: docker.APIClient, image: str) -> object:
        asked.append(image)
        return inspect(self, image)

    monkeypatch.setattr(docker.APIClient, "inspect_image", counted)
    assert [prepare.ready(in_docker).is_ready for _ in range(5)] == [True] * 5
    assert asked == [built.reference]
    docker_engine.images.remove(built.reference)
    wanted.doubt(DeployerError("ImageMissing", "The engine has not got the image."))
    assert prepare.ready(in_docker).sentence == "Building the image"


def test_a_good_revision_goes_on_in_the_image_it_ran_in_until_that_of_a_new_platform_is_built(
    docker_engine: docker.DockerClient, built: Image, in_docker: Revision
) -> None:
    before = built.reference.rpartition("-")[0] + "-older"
    docker_engine.images.get(built.reference).tag(before)
    Image.objects.filter(pk=built.pk).update(base="older", reference=before)
    try:
        assert prepare.ready(in_docker).sentence == "Building the image"
        in_docker.serving.good_revision = in_docker.number
        assert (prepare.ready(in_docker).is_ready, prepare.ready(in_docker).image) == (True, before)
        assert Image.objects.filter(state=Image.State.WAITING).count() == 1, "the new one is asked for"
    finally:
        forget(docker_engine, before)
    wanted.there.forget()
    assert not prepare.ready(in_docker).is_ready


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: object) -> list[object]:
    found: list[object] = []
    monkeypatch.setattr(work, "_send", lambda task, args: found.append((task, *args)))
    return found


def test_an_engine_that_is_away_is_said_so_and_tried_again_by_itself(
    in_docker: Revision,
    settings: LazySettings,
    asked: list[object],
    django_capture_on_commit_callbacks: Callable[..., object],
) -> None:
    settings.DOCKER_URL = "unix:///nonexistent/docker.sock"
    prepare.ready(in_docker)
    image = Image.objects.get()
    assert not rows.build_row(image.pk)
    prepared = prepare.ready(in_docker)
    assert "does not answer at unix:///nonexistent/docker.sock" in prepared.sentence
    assert prepared.failure is None
    later = timezone.now() - tries.PAUSE_AFTER_FAILURE - timedelta(seconds=1)
    Image.objects.update(lease_until=later)
    with django_capture_on_commit_callbacks(execute=True):
        prepare.ready(in_docker)
    assert asked == [("worker.build_image", image.pk)]


def test_only_one_builder_is_at_an_image(in_docker: Revision) -> None:
    prepare.ready(in_docker)
    Image.objects.update(lease="another", lease_until=timezone.now() + timedelta(minutes=1))
    assert not rows.build_row(Image.objects.get().pk)
    assert Image.objects.get().state == Image.State.WAITING


def test_an_interpreter_without_a_lock_cannot_become_an_image(
    in_docker: Revision, environment: Environment
) -> None:
    Environment.objects.filter(pk=environment.pk).update(lock="", path="/opt/own", state="ready")
    failure = prepare.ready(in_docker).failure
    assert failure is not None
    assert failure["code"] == "EnvironmentNotLocked"
    assert not Image.objects.exists()


def test_a_package_that_fails_is_a_final_failure_until_run_is_pressed(
    docker_engine: docker.DockerClient,
    small_image: str,
    in_docker: Revision,
    asked: list[object],
    django_capture_on_commit_callbacks: Callable[..., object],
) -> None:
    wrong = service.of_lock("3.11", f"six==1.16.0 --hash=sha256:{'0' * 64}\n")
    Revision.objects.update(environment=wrong)
    in_docker.refresh_from_db()
    prepare.ready(in_docker)
    image = Image.objects.get(environment=wrong)
    assert not rows.build_row(image.pk)
    failure = prepare.ready(in_docker).failure
    assert failure is not None
    assert (failure["code"], "six" in failure["evidence"]) == ("HashMismatch", True)
    with django_capture_on_commit_callbacks(execute=True):
        assert service.forget_failure(in_docker)
    assert asked == [("worker.build_image", image.pk)]
    assert Image.objects.get(environment=wrong).state == Image.State.WAITING


def test_the_platforms_own_packages_become_an_image_too(create: Callable[..., Serving]) -> None:
    serving = create()
    serving.revisions.update(deployer="swarm")
    revision = serving.revisions.get()
    prepared = prepare.ready(revision)
    own = platform_packages.now()
    assert prepared.image == host.reference(own.key, own.python)[1]
    assert prepared.sentence == "Building the image"


def test_a_registry_is_part_of_the_name(settings: LazySettings, in_docker: Revision) -> None:
    before = prepare.ready(in_docker).image
    settings.IMAGE_REGISTRY = "registry.example:5000"
    assert prepare.ready(in_docker).image == f"registry.example:5000/{before}"
    assert Image.objects.get().reference == f"registry.example:5000/{before}"


@pytest.fixture
def foreign(docker_engine: docker.DockerClient, order: Order) -> Iterator[str]:
    name = "foreign/environment:kept"
    docker_engine.images.get(order.sources.python_image).tag(name)
    yield name
    forget(docker_engine, name)


def test_what_nobody_uses_is_removed_and_what_is_used_or_foreign_is_kept(
    docker_engine: docker.DockerClient, built: Image, in_docker: Revision, foreign: str
) -> None:
    Image.objects.update(used_at=timezone.now() - LONG_AGO)
    assert collect.collect() == 0  # a revision names it
    Revision.objects.update(environment=None)
    container = docker_engine.containers.create(built.reference, labels=names.labels())
    assert collect.collect() == 0
    assert Image.objects.get().state == Image.State.READY
    container.remove()
    assert collect.collect() == 1
    assert Image.objects.get().state == Image.State.GONE
    assert engine.find(docker_engine, built.reference) is None
    assert engine.find(docker_engine, foreign) is not None


def test_the_image_on_an_older_base_goes_although_its_environment_is_used(
    built: Image, in_docker: Revision
) -> None:
    Image.objects.update(used_at=timezone.now() - LONG_AGO, base="0" * 64)
    assert collect.collect() == 1
    assert prepare.ready(in_docker).sentence == "Building the image"
    assert Image.objects.count() == 2
