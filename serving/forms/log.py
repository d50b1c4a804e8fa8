"""The fields of a serving's log of calls and of its streamed requests, and the words beside them."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from serving.models import InferenceLogging, RecordFormat

PLAIN = {"spellcheck": "false", "autocomplete": "off"}
KINDS = ("field", "pattern")
RULE = "Write “{line}” as ACTION WHERE field PATH, or ACTION WHERE pattern EXPRESSION."


class RulesField(forms.CharField):
    """Lines such as `mask inputs field customer.name` and `remove both pattern [0-9]{16}`."""

    widget = forms.Textarea(
        attrs={"rows": 3, "class": "code", "placeholder": "mask inputs field customer.name", **PLAIN}
    )

    def to_python(self, value: Any) -> list[dict[str, str]]:  # type: ignore[override]
        lines = (value or "").replace("\r\n", "\n").split("\n")
        return [_rule(line) for line in lines if line.strip()]

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(_line, value)) if isinstance(value, list) else value


class LogFields(forms.Form):
    """Whatever is left empty has its default."""

    inference_logging = forms.ChoiceField(
        label="What to record", choices=InferenceLogging.choices, required=False
    )
    topic = forms.ChoiceField(
        required=False, help_text="Where the log of calls goes. CREATE keeps the topic it made before."
    )
    topic_partitions = forms.IntegerField(label="Partitions", required=False, help_text="Of a new topic.")
    topic_replication = forms.IntegerField(
        label="Replication", required=False, help_text="Of a new topic: on how many brokers it is kept."
    )
    sampling_percent = forms.FloatField(
        label="Recorded calls (%)",
        required=False,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text="Of every hundred calls so many, chosen by chance.",
    )
    record_format = forms.ChoiceField(
        label="Format of records",
        choices=RecordFormat.choices,
        required=False,
        help_text="With MLRun's only scripts with a V2ModelServer record anything.",
    )
    redaction = RulesField(
        label="Leave out of records",
        required=False,
        help_text="One rule a line: remove, mask or hash; in inputs, outputs or both; a field by its path (* for every "
        "part) or what a regular expression finds. Done before a record leaves the replica.",
    )
    events_url = forms.CharField(
        label="Send as CloudEvents to",
        max_length=500,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "url", "placeholder": "https://…", **PLAIN}),
        help_text="An address that gets each request and each answer, as of KServe’s logger.",
    )
    input_topic = forms.ChoiceField(
        label="Take requests from", required=False, help_text="Messages in this topic are asked as calls are."
    )
    output_topic = forms.ChoiceField(
        label="Write answers to", required=False, help_text="Empty: only the log of calls has them."
    )


def _rule(line: str) -> dict[str, str]:
    action, _, rest = line.lstrip().partition(" ")
    where, _, rest = rest.lstrip().partition(" ")
    kind, _, said = rest.lstrip().partition(" ")
    if kind not in KINDS or not said.strip():
        raise ValidationError(RULE.format(line=line.strip()))
    return {"action": action, "in": where, kind: said.strip() if kind == "field" else said}


def _line(rule: dict[str, str]) -> str:
    kind = next((each for each in KINDS if each in rule), KINDS[0])
    said = rule.get(kind, "").replace("\n", r"\n")
    return f"{rule.get('action', 'mask')} {rule.get('in', 'both')} {kind} {said}"
