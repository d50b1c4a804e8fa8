"""What the selects of a serving's form offer: (value, label) pairs of what the project and the host have."""

from collections.abc import Iterable

from django.conf import settings as platform

from accounts.models import Project
from models_registry import queries as registry
from serving import queries
from serving.environments import platform_packages
from serving.environments import queries as environments
from serving.models import Deployer, Serving
from serving.settings import CREATE, MODEL_ONLY, NONE
from serving.topics import queries as topics

Choices = list[tuple[str, str]]
MOST_NAMED = 4


def of(project: Project, serving: Serving | None) -> dict[str, Choices]:
    """By field; what the serving has now is among them, also where it is gone from the project since."""
    scripts = registry.scripts(project)
    script, transformer = (
        (serving.current.script_path, serving.current.transformer_path) if serving else ("", "")
    )
    return {
        "script": [("", "Choose a script"), *_plain([*scripts, script])],
        "model": [("", "The script's own"), *_plain(each.name for each in registry.models(project))],
        "alias": _aliases(project),
        "python": _pythons(serving),
        "transformer": [
            ("", "None"),
            *_plain([*scripts, transformer if "/" in transformer else ""]),
            *_kept_transformers(project, transformer),
        ],
        "artifact_version": _artifacts(project),
        "deployer": _deployers(serving),
        "topic": [
            (CREATE, "CREATE: a new one"),
            (NONE, "NONE: keep no log"),
            *_plain([*topics.for_records(project), serving.current.topic if serving else ""]),
        ],
        "input_topic": _for_requests(project, serving.current.input_topic if serving else ""),
        "output_topic": _for_requests(project, serving.current.output_topic if serving else ""),
    }


def _for_requests(project: Project, now: str) -> Choices:
    return [("", "None"), *_plain([*topics.for_requests(project), now])]


def _plain(values: Iterable[str]) -> Choices:
    return [(value, value) for value in dict.fromkeys(values) if value]


def _aliases(project: Project) -> Choices:
    """Each name once, with what it stands for; which model is meant, model and script say."""
    found: dict[str, list[str]] = {}
    for model in registry.models(project):
        for alias in model.aliases.all():
            found.setdefault(alias.name, []).append(f"{model.name}@{alias.version.number}")
    return [
        ("", "None: the version stays"),
        *((name, f"{name} ({_named(of)})") for name, of in found.items()),
    ]


def _pythons(serving: Serving | None) -> Choices:
    own = platform_packages.now().python
    now = serving.current.python if serving else ""
    offered = _plain([*environments.pythons(), now])
    return [("", f"The platform's own ({own})"), *offered]


def _deployers(serving: Serving | None) -> Choices:
    """Those that the installation has, and the one in use; nothing to choose from where there is only one."""
    now = serving.current.deployer if serving else ""
    names = dict.fromkeys([*platform.DEPLOYERS, now])
    offered = [(each.value, each.label) for each in Deployer if each.value in names]
    return [("", f"The installation's own ({platform.DEPLOYER})"), *offered] if len(offered) > 1 else []


def _kept_transformers(project: Project, now: str) -> Choices:
    """By their bare names: those in numbered artifacts, and the one in use if it came from there."""
    found: dict[str, list[str]] = {now: []} if now and "/" not in now else {}
    for artifact in queries.numbered_artifacts(project):
        found.setdefault(artifact.transformer, []).append(artifact.name)
    return [(name, f"{name} (in {_named(of)})" if of else name) for name, of in found.items()]


def _artifacts(project: Project) -> Choices:
    found: dict[str, list[str]] = {}
    for artifact in queries.numbered_artifacts(project):
        found.setdefault(str(artifact.number), []).append(f"{artifact.name} with {artifact.transformer}")
    return [
        ("", "Automatic"),
        (CREATE, "CREATE: the next number"),
        (MODEL_ONLY, "MODEL-ONLY: no transformer"),
        *((number, f"{number}: {_named(of)}") for number, of in sorted(found.items(), key=_number)),
    ]


def _number(found: tuple[str, list[str]]) -> int:
    return int(found[0])


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    return f"{shown} and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else shown
