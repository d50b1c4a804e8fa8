"""The fields of a serving's settings and the words beside them."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from serving.forms.log import PLAIN, LogFields
from serving.models import Batching, Placement, serving_name

ANY_STEP = {"step": "any"}


class VariablesField(forms.CharField):
    """Lines NAME=value."""

    widget = forms.Textarea(attrs={"rows": 3, "placeholder": "THRESHOLD=0.5", **PLAIN})

    def to_python(self, value: Any) -> dict[str, str]:  # type: ignore[override]
        variables = {}
        for line in filter(str.strip, (value or "").splitlines()):
            name, equals, text = line.strip().partition("=")
            if not equals:
                raise ValidationError(f"Write “{line.strip()}” as NAME=value.")
            variables[name.strip()] = text
        return variables

    def prepare_value(self, value: Any) -> Any:
        return (
            "\n".join(f"{name}={text}" for name, text in value.items()) if isinstance(value, dict) else value
        )


class LinesField(forms.CharField):
    """A text whose line ends are those of the file it stands for, whatever the browser sends."""

    def to_python(self, value: Any) -> str:
        return "\n".join((super().to_python(value) or "").splitlines())


class SettingsFields(LogFields):
    """Whatever is left empty is filled from the script's path and the defaults."""

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
    alias = forms.ChoiceField(
        label="Or follow an alias",
        required=False,
        help_text="The serving moves along when the alias does.",
    )

    python = forms.ChoiceField(label="Python", required=False, help_text="Those that this installation has.")
    requirements = LinesField(
        required=False,
        widget=forms.Textarea(
            attrs={"rows": 4, "class": "code", "placeholder": "scikit-learn==1.7.2", **PLAIN}
        ),
        help_text="As in a requirements.txt. Empty: the file of that name beside the script, or else the "
        "platform's own packages.",
    )
    transformer = forms.ChoiceField(
        required=False,
        help_text="A Python file with a class Transformer: its preprocess sees every request before the "
        "model does, its postprocess every answer after it.",
    )
    transformer_placement = forms.ChoiceField(
        label="Where it runs",
        choices=Placement.choices,
        required=False,
        help_text="Replicas of its own have their own number and size; in the predictor's process it is one hop less.",
    )
    transformer_replicas = forms.IntegerField(label="Transformer replicas", required=False)
    transformer_cores = forms.FloatField(
        label="Transformer cores", required=False, widget=forms.NumberInput(attrs=ANY_STEP)
    )
    transformer_memory_mb = forms.IntegerField(label="Transformer memory (MB)", required=False)
    artifact_version = forms.ChoiceField(
        label="Artifact",
        required=False,
        help_text="The files a replica starts from. An existing number keeps the transformer in it: choose that "
        "one above by its bare name.",
    )

    class_name = forms.CharField(
        label="Class",
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs=PLAIN),
        help_text="Only for a script with several classes: the one that answers. Empty: found by itself.",
    )
    replicas = forms.IntegerField(required=False, help_text="Copies that share the requests.")
    cores = forms.FloatField(required=False, widget=forms.NumberInput(attrs=ANY_STEP), help_text="For each.")
    memory_mb = forms.IntegerField(
        label="Memory (MB)", required=False, help_text="For each; a replica needing more ends."
    )
    gpus = forms.IntegerField(label="GPUs", required=False)
    deployer = forms.ChoiceField(
        label="Where replicas run",
        required=False,
        help_text="Saving another place is an update like any other.",
    )
    max_concurrency = forms.IntegerField(
        label="Calls at a time",
        required=False,
        help_text="In each replica. More than 1 only for a script that is safe in threads.",
    )
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
    variables = VariablesField(
        label="Environment variables",
        required=False,
        help_text="One NAME=value a line; the script reads os.environ.",
    )
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}))
    expected_revision = forms.IntegerField(required=False, widget=forms.HiddenInput)
    canary_percent = forms.IntegerField(
        label="Percent of the requests", required=False, min_value=0, max_value=100, initial=10
    )
