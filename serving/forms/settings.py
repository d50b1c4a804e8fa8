"""The form of a serving's settings, for creating and for editing."""

from pathlib import PurePosixPath
from typing import Any

from django import forms
from django.conf import settings as platform
from django.core.exceptions import ValidationError

from accounts.models import Project
from models_registry import paths
from models_registry import queries as registry
from serving import settings
from serving.environments import platform_packages
from serving.forms import choices
from serving.forms.fields import SettingsFields
from serving.models import RecordFormat, Revision, Serving, serving_name
from serving.settings import Settings

PACKAGES = ("python", "requirements")
TRANSFORMER = (
    "transformer",
    "transformer_placement",
    "transformer_replicas",
    "transformer_cores",
    "transformer_memory_mb",
    "artifact_version",
)
LOG = (
    "inference_logging",
    "topic",
    "topic_partitions",
    "topic_replication",
    "sampling_percent",
    "record_format",
    "redaction",
    "events_url",
)
STREAM = ("input_topic", "output_topic")
ADVANCED = (
    "class_name",
    "replicas",
    "cores",
    "memory_mb",
    "gpus",
    "deployer",
    "max_concurrency",
    "batching",
    "max_batch_size",
    "max_latency_ms",
    "variables",
    "description",
)
MAY_BE_EMPTY = {
    "class_name",
    "description",
    "variables",
    "alias",
    "python",
    "requirements",
    "transformer",
    "deployer",
    "redaction",
    "events_url",
    "input_topic",
    "output_topic",
}
OF_FIELDS = {"percent": "canary_percent"}


class SettingField(forms.BoundField):
    """Knows, beside the user's value, the newest one when somebody else was faster."""

    @property
    def newest(self) -> str:
        assert isinstance(self.form, ServingForm)
        return self.form.newest.get(self.name, "")


class ServingForm(SettingsFields):
    """Offers what the project has, and makes of the answers what services take."""

    bound_field_class = SettingField

    def __init__(
        self, data: Any = None, *, project: Project, serving: Serving | None = None, script: str = ""
    ) -> None:
        self.project = project
        self.serving = serving
        self.newest: dict[str, str] = {}
        super().__init__(data, initial=_initial(serving, script))
        offered = choices.of(project, serving)
        for name, values in offered.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = values
        if serving is not None:
            self.fields["name"].disabled = True
            self.fields["name"].help_text = "A serving keeps its name."
        if not platform.MAX_GPUS:
            del self.fields["gpus"]
        if not offered["deployer"]:
            del self.fields["deployer"]
        if not self.may_be_canary:
            del self.fields["canary_percent"]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        self._choose_name(given)
        self._choose_version(given)
        return given

    def wanted(self) -> Settings:
        return Settings(**self._given())

    def changes(self) -> dict[str, Any]:
        """What the user made different; what was left alone is not asked for anew."""
        given = {name: value for name, value in self._given().items() if name != "name"}
        return {name: value for name, value in given.items() if value != self.initial.get(name)}

    def refuse(self, message: str, field: str | None) -> None:
        name = OF_FIELDS.get(field or "", field)
        self.add_error(name if name in self.fields else None, message)

    def edited_meanwhile(self, message: str, newest: Serving) -> None:
        """Keep the user's input, say the newest values beside it, and expect the newest revision from now on."""
        self.add_error(None, message)
        theirs = _initial(newest, "")
        for name, value in self.changes().items():
            if name in self.fields and theirs[name] != value:
                shown = self.fields[name].prepare_value(theirs[name])
                self.newest[name] = "(empty)" if shown in (None, "") else str(shown)
        typed = {name: self.data.get(name) for name in self.data}
        self.data = {**typed, "expected_revision": theirs["expected_revision"]}

    @property
    def may_be_canary(self) -> bool:
        """Whether what is saved can be tried on a part of the requests: of a serving that has no canary yet."""
        return self.serving is not None and self.serving.canary is None

    @property
    def packages_now(self) -> str:
        """Which requirements the serving being edited has in force."""
        return requirements_of(self.serving.current) if self.serving else ""

    @property
    def shows_packages(self) -> bool:
        return self._has_news(PACKAGES) or any(self[name].value() for name in PACKAGES)

    @property
    def shows_transformer(self) -> bool:
        return self._has_news(TRANSFORMER) or bool(self["transformer"].value())

    @property
    def shows_log(self) -> bool:
        is_told = any(self[name].value() for name in ("redaction", "events_url"))
        return is_told or self.records_as_mlrun or self._has_news(LOG)

    @property
    def records_as_mlrun(self) -> bool:
        return bool(self["record_format"].value() == RecordFormat.MLRUN)

    @property
    def shows_stream(self) -> bool:
        return self._has_news(STREAM) or any(self[name].value() for name in STREAM)

    @property
    def has_advanced_news(self) -> bool:
        """Whether something in the folded part wants to be seen."""
        return self._has_news(ADVANCED)

    def _has_news(self, names: tuple[str, ...]) -> bool:
        return any(name in self.errors or name in self.newest for name in names)

    def _choose_name(self, given: dict[str, Any]) -> None:
        if given.get("name") or not given.get("script") or "name" in self.errors:
            return
        given["name"] = PurePosixPath(given["script"]).stem.replace("_", "")
        try:
            serving_name(given["name"])
        except ValidationError:
            self.add_error("name", "Choose a name; the script's own name does not make one.")

    def _choose_version(self, given: dict[str, Any]) -> None:
        """Of an alias and a version the one that was changed counts; an alias of one model alone names the model."""
        if self.serving is not None and given.get("alias") and given.get("model_version") is not None:
            changed = {"alias", "model_version"} & set(self.changed_data)
            if changed == {"alias"}:
                given["model_version"] = None
            elif changed == {"model_version"}:
                given["alias"] = ""
        if given.get("alias") and not given.get("model") and not paths.in_version(given.get("script", "")):
            found = registry.models(self.project).filter(aliases__name=given["alias"])
            given["model"] = found[0].name if len(found) == 1 else ""

    def _given(self) -> dict[str, Any]:
        """The settings that were not left empty."""
        given = {name: self.cleaned_data.get(name) for name in settings.names() & self.fields.keys()}
        return {
            name: value for name, value in given.items() if name in MAY_BE_EMPTY or value not in (None, "")
        }


def requirements_of(revision: Revision) -> str:
    """Where a revision's requirements come from."""
    if revision.requirements_path:
        return revision.requirements_path
    return "the requirements typed here" if revision.requirements else "the platform's own packages"


def _initial(serving: Serving | None, script: str) -> dict[str, Any]:
    if serving is None:
        return vars(Settings(name="", script=script))
    now = settings.of(serving)
    python = "" if now.python == platform_packages.now().python else now.python
    return {**vars(now), "python": python, "expected_revision": serving.current.number}
