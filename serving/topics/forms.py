"""The forms of topics: a new one, and messages to add."""

from typing import Any

from django import forms

from serving.topics import schemas
from serving.topics.messages import MOST_MESSAGES
from serving.topics.wanted import MOST_PARTITIONS, MOST_REPLICATION, WantedTopic

PLAIN = {"spellcheck": "false", "autocomplete": "off"}
OWN = "own"
NO_SCHEMA = ""
KINDS = [
    (NO_SCHEMA, "Messages of any form, such as requests"),
    (schemas.SUBJECT, "Inference records in Avro"),
    (schemas.MLRUN, "MLRun's records in JSON"),
    (OWN, "Messages of a schema of your own"),
]


class TopicForm(forms.Form):
    """`kind` is a known subject, none, or one of the project's own with its Avro schema."""

    name = forms.CharField(
        max_length=249,
        widget=forms.TextInput(attrs=PLAIN),
        help_text="Letters, digits, dots, underscores and hyphens; no other topic of this installation has it.",
    )
    kind = forms.ChoiceField(label="What is in it", choices=KINDS, required=False)
    schema_version = forms.TypedChoiceField(
        label="Version of the inference schema",
        choices=[(number, str(number)) for number in reversed(schemas.VERSIONS)],
        coerce=int,
        empty_value=None,
        required=False,
        help_text="Only for inference records. Servings write every version but 4.",
    )
    subject = forms.CharField(
        label="Name of your schema",
        max_length=249,
        required=False,
        widget=forms.TextInput(attrs=PLAIN),
        help_text="Only for a schema of your own.",
    )
    schema = forms.CharField(
        label="Avro schema (JSON)",
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "class": "code", **PLAIN}),
        help_text="Only for a schema of your own.",
    )
    partitions = forms.IntegerField(min_value=1, max_value=MOST_PARTITIONS, initial=1)
    replication = forms.IntegerField(
        min_value=1, max_value=MOST_REPLICATION, initial=1, help_text="On how many brokers it is kept."
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("kind") == OWN and not given.get("subject"):
            self.add_error("subject", "Give your schema a name.")
        return given

    def wanted(self) -> WantedTopic:
        given = self.cleaned_data
        kind = given["kind"]
        is_own = kind == OWN
        return WantedTopic(
            name=given["name"],
            subject=given["subject"] if is_own else kind,
            schema_version=given["schema_version"] if kind == schemas.SUBJECT else None,
            schema=given["schema"] if is_own else "",
            partitions=given["partitions"],
            replication=given["replication"],
        )

    def refuse(self, message: str, field: str | None) -> None:
        self.add_error(field if field in self.fields else None, message)


class PublishForm(forms.Form):
    """One message, or one a line."""

    messages = forms.CharField(
        label="Messages",
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4, "class": "code", **PLAIN}),
        help_text=f"One a line, as text; at most {MOST_MESSAGES}.",
        error_messages={"required": "Write at least one message."},
    )

    def values(self) -> list[bytes]:
        lines = self.cleaned_data["messages"].splitlines()
        return [line.encode() for line in lines if line.strip()]
