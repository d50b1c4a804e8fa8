"""The form of a serving's settings, for creating and for editing."""

from pathlib import PurePosixPath
from typing import Any

from django import forms
from django.conf import settings as platform
from django.core.exceptions import ValidationError

from accounts.models import Project
from models_registry import queries as registry
from serving import queries, settings
from serving.models import Batching, InferenceLogging, Serving, serving_name
from serving.settings import CREATE, NONE, Settings

ADVANCED = (
    "class_name",
    "replicas",
    "cores",
    "memory_mb",
    "gpus",
    "max_concurrency",
    "inference_logging",
    "topic",
    "topic_partitions",
    "topic_replication",
    "batching",
    "max_batch_size",
    "max_latency_ms",
    "environment",
    "description",
)
MODEL_ONLY = "MODEL-ONLY"
PLAIN = {"spellcheck": "false", "autocomplete": "off"}


class EnvironmentField(forms.CharField):
    """Lines NAME=value."""

    widget = forms.Textarea(attrs={"rows": 3, "placeholder": "THRESHOLD=0.5", **PLAIN})

    def to_python(self, value: Any) -> dict[str, str]:  # type: ignore[override]
        environment = {}
        for line in filter(str.strip, (value or "").splitlines()):
            name, equals, text = line.strip().partition("=")
            if not equals:
                raise ValidationError(f"Write “{line.strip()}” as NAME=value.")
            environment[name.strip()] = text
        return environment

    def prepare_value(self, value: Any) -> Any:
        return (
            "\n".join(f"{name}={text}" for name, text in value.items()) if isinstance(value, dict) else value
        )


class SettingField(forms.BoundField):
    """Knows, beside the user's value, the newest one when somebody else was faster."""

    @property
    def newest(self) -> str:
        assert isinstance(self.form, ServingForm)
        return self.form.newest.get(self.name, "")


class ServingForm(forms.Form):
    """Whatever is left empty is filled from the script's path and the defaults."""

    bound_field_class = SettingField

    script = forms.ChoiceField(
        help_text="A Python file of this project with a class Predict, or one derived from "
        "V2ModelServer (MLRun) or Model (KServe)."
    )
    name = forms.CharField(
        label="Serving name",
        max_length=256,
        required=False,
        validators=[serving_name],
        widget=forms.TextInput(attrs=PLAIN),
        help_text="Letters and digits; part of its address. Empty: the script's name without underscores.",
    )
    model = forms.ChoiceField(required=False, help_text="Empty: the model whose folder the script is in.")
    model_version = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=999_999_999,
        help_text="Empty: the script's own, or else the latest.",
    )
    artifact_version = forms.ChoiceField(
        choices=[(MODEL_ONLY, MODEL_ONLY)],
        required=False,
        help_text="The model's files alone; there is no transformer.",
    )

    class_name = forms.CharField(
        label="Class",
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs=PLAIN),
        help_text="Only for a script with several classes: the one that answers. Empty: found by itself.",
    )
    replicas = forms.IntegerField(required=False, help_text="Copies that share the requests.")
    cores = forms.FloatField(
        required=False, widget=forms.NumberInput(attrs={"step": "any"}), help_text="For each."
    )
    memory_mb = forms.IntegerField(
        label="Memory (MB)", required=False, help_text="For each; a replica needing more ends."
    )
    gpus = forms.IntegerField(label="GPUs", required=False)
    max_concurrency = forms.IntegerField(
        label="Calls at a time",
        required=False,
        help_text="In each replica. More than 1 only for a script that is safe in threads.",
    )
    inference_logging = forms.ChoiceField(
        label="What to record", choices=InferenceLogging.choices, required=False
    )
    topic = forms.ChoiceField(required=False, help_text="Where the log of calls goes.")
    topic_partitions = forms.IntegerField(required=False, help_text="Of a topic made with CREATE.")
    topic_replication = forms.IntegerField(required=False, help_text="Of a topic made with CREATE.")
    batching = forms.ChoiceField(
        label="Predict waiting requests together",
        choices=Batching.choices,
        required=False,
        help_text="Automatic: if the rows of input_example.json are predicted alike together and one by one. "
        "Always: the script is trusted with rows of several requests. Never: one request at a time.",
    )
    max_batch_size = forms.IntegerField(
        label="Largest batch", required=False, help_text="Rows predicted together at most."
    )
    max_latency_ms = forms.IntegerField(
        label="Longest wait (ms)",
        required=False,
        help_text="How long a request may wait for others; 0: only while another batch runs.",
    )
    environment = EnvironmentField(
        label="Environment variables",
        required=False,
        help_text="One NAME=value a line; the script reads os.environ.",
    )
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}))
    expected_revision = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(
        self, data: Any = None, *, project: Project, serving: Serving | None = None, script: str = ""
    ) -> None:
        self.serving = serving
        self.newest: dict[str, str] = {}
        super().__init__(data, initial=_initial(serving, script))
        self._offer("script", ["", *dict.fromkeys([*registry.scripts(project), *_current(serving)])])
        self._offer("model", ["", *(model.name for model in registry.models(project))])
        topics = [topic for topic in queries.topics(project) if topic]
        self._offer(
            "topic", [CREATE, NONE, *topics], {CREATE: "CREATE: a new one", NONE: "NONE: keep no log"}
        )
        if serving is not None:
            self.fields["name"].disabled = True
            self.fields["name"].help_text = "A serving keeps its name."
        if not platform.MAX_GPUS:
            del self.fields["gpus"]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not given.get("name") and given.get("script") and "name" not in self.errors:
            given["name"] = PurePosixPath(given["script"]).stem.replace("_", "")
            try:
                serving_name(given["name"])
            except ValidationError:
                self.add_error("name", "Choose a name; the script's own name does not make one.")
        return given

    def wanted(self) -> Settings:
        return Settings(**self._given())

    def changes(self) -> dict[str, Any]:
        return {name: value for name, value in self._given().items() if name != "name"}

    def refuse(self, message: str, field: str | None) -> None:
        self.add_error(field if field in self.fields else None, message)

    def edited_meanwhile(self, message: str, newest: Serving) -> None:
        """Keep the user's input, say the newest values beside it, and expect the newest revision from now on."""
        self.add_error(None, message)
        theirs = _initial(newest, "")
        for name, value in self.changes().items():
            if name in self.fields and theirs[name] != value:
                self.newest[name] = str(self.fields[name].prepare_value(theirs[name])) or "(empty)"
        typed = {name: self.data.get(name) for name in self.data}
        self.data = {**typed, "expected_revision": theirs["expected_revision"]}

    @property
    def has_advanced_news(self) -> bool:
        """Whether something in the folded part wants to be seen."""
        return any(name in self.errors or name in self.newest for name in ADVANCED)

    def _given(self) -> dict[str, Any]:
        """The settings that were not left empty."""
        given = {name: self.cleaned_data.get(name) for name in settings.names()}
        may_be_empty = {"class_name", "description", "environment"}
        return {
            name: value for name, value in given.items() if name in may_be_empty or value not in (None, "")
        }

    def _offer(self, name: str, values: list[str], labels: dict[str, str] | None = None) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        empty = {"": "Choose a script" if name == "script" else "The script's own"}
        field.choices = [(value, {**empty, **(labels or {})}.get(value, value)) for value in values]


def _current(serving: Serving | None) -> list[str]:
    """The script in use, which may have been deleted from the project since."""
    return [serving.revision.script_path] if serving is not None and serving.revision is not None else []


def _initial(serving: Serving | None, script: str) -> dict[str, Any]:
    if serving is None:
        return vars(Settings(name="", script=script))
    assert serving.revision is not None
    fixed = {"artifact_version": MODEL_ONLY, "expected_revision": serving.revision.number}
    return {**vars(settings.of(serving)), **fixed}
