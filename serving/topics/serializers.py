"""The JSON forms of topics, their schemas and dead letters, and of what a user asks of them."""

import base64
import binascii
import json
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from serving.models import DeadLetter, Topic
from serving.strict import StrictSerializer
from serving.topics import queries, showing
from serving.topics.messages import MOST_MESSAGES
from serving.topics.queries import Use
from serving.topics.wanted import WantedTopic

ENCODINGS = ("text", "base64")


class NewTopicSerializer(StrictSerializer):
    """A topic made by hand; `schema` is an Avro schema, as an object or as its text."""

    name = serializers.CharField(max_length=249)
    subject = serializers.CharField(max_length=249, required=False, allow_blank=True, allow_null=True)
    schema_version = serializers.IntegerField(required=False, allow_null=True)
    schema = serializers.JSONField(required=False, allow_null=True)
    partitions = serializers.IntegerField(required=False)
    replication = serializers.IntegerField(required=False)

    def validate_schema(self, value: Any) -> str:
        if value is None or isinstance(value, str):
            return value or ""
        return _as_text(value)

    def wanted(self) -> WantedTopic:
        return WantedTopic(
            **{name: value for name, value in self.validated_data.items() if value is not None}
        )


class MessagesSerializer(StrictSerializer):
    """Messages to add, in order; `encoding` says whether they are texts or bytes in base64."""

    messages = serializers.ListField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False), max_length=MOST_MESSAGES
    )
    encoding = serializers.ChoiceField(choices=ENCODINGS, default="text")

    def values(self) -> list[bytes]:
        """Raises ValidationError for what is no base64, or text that is no UTF-8."""
        decode = _bytes if self.validated_data["encoding"] == "base64" else _encoded
        return [decode(number, said) for number, said in enumerate(self.validated_data["messages"])]


class PublishedSerializer(serializers.Serializer[Any]):
    published = serializers.IntegerField()


class UseSerializer(serializers.Serializer[Use]):
    serving = serializers.CharField()
    role = serializers.ChoiceField(choices=[*queries.COLUMNS.values(), queries.DEAD])


class ConsumedSerializer(serializers.Serializer[Any]):
    """How its messages were taken in: inference records stored and skipped, or requests answered, failed and dead."""

    stored = serializers.IntegerField(required=False)
    skipped = serializers.IntegerField(required=False)
    answered = serializers.IntegerField(required=False)
    failed = serializers.IntegerField(required=False)
    dead = serializers.IntegerField(required=False)
    lag = serializers.IntegerField(required=False)


class PartitionSerializer(serializers.Serializer[Any]):
    """`first` is the offset of its first message, `next` that of the one that will come."""

    id = serializers.CharField()
    first = serializers.IntegerField()
    next = serializers.IntegerField()
    bytes = serializers.IntegerField()
    replicas = serializers.IntegerField()
    in_sync = serializers.IntegerField()


class TopicSerializer(serializers.ModelSerializer[Topic]):
    """A topic, who uses it, and what the broker last said of it; null before it was asked."""

    bytes = serializers.IntegerField(source="described.bytes", allow_null=True, default=None)
    messages = serializers.SerializerMethodField()
    consumed = serializers.SerializerMethodField()
    servings = serializers.SerializerMethodField()
    created_by = serializers.CharField(source="created_by.username", allow_null=True, default=None)

    class Meta:
        model = Topic
        fields = [
            "name",
            "subject",
            "schema_version",
            "partitions",
            "replication",
            "state",
            "problem",
            "bytes",
            "messages",
            "consumed",
            "servings",
            "described_at",
            "created_by",
            "created_at",
        ]

    def get_messages(self, topic: Topic) -> int | None:
        """How many there are, null where nobody has counted them, as in files."""
        return showing.messages(topic)

    @extend_schema_field(ConsumedSerializer)
    def get_consumed(self, topic: Topic) -> dict[str, Any]:
        return dict(topic.consumed)

    @extend_schema_field(UseSerializer(many=True))
    def get_servings(self, topic: Topic) -> Any:
        return UseSerializer(self.context["uses"][topic.name], many=True).data


class TopicDetailSerializer(TopicSerializer):
    """The same with its partitions, as the broker last told of them."""

    partition_table = serializers.SerializerMethodField()

    class Meta(TopicSerializer.Meta):
        fields = [*TopicSerializer.Meta.fields, "partition_table"]

    @extend_schema_field(PartitionSerializer(many=True))
    def get_partition_table(self, topic: Topic) -> Any:
        return topic.described.get("partitions") or []


class SchemaSerializer(serializers.Serializer[Any]):
    """`schema` is the Avro schema as an object."""

    subject = serializers.CharField()
    version = serializers.IntegerField()
    schema = serializers.JSONField(source="document")


class SchemaVersionsSerializer(serializers.Serializer[Any]):
    subject = serializers.CharField()
    versions = serializers.ListField(child=serializers.IntegerField())


class DeadLetterSerializer(serializers.ModelSerializer[DeadLetter]):
    """`value` are the first bytes of the message in base64, `text` the same where they are text."""

    value = serializers.SerializerMethodField(method_name="get_first_bytes")
    text = serializers.SerializerMethodField()

    class Meta:
        model = DeadLetter
        fields = ["id", "partition", "offset", "reason", "size", "value", "text", "seen_at"]

    def get_first_bytes(self, letter: DeadLetter) -> str:
        return base64.b64encode(letter.value).decode()

    def get_text(self, letter: DeadLetter) -> str | None:
        value = bytes(letter.value)
        return showing.text(value, is_cut=letter.size > len(value))


def _as_text(schema: Any) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False)


def _encoded(number: int, said: str) -> bytes:
    try:
        return said.encode()
    except UnicodeEncodeError:
        raise serializers.ValidationError(
            {"messages": [f"Message {number + 1} is no text in UTF-8; send its bytes in base64."]}
        ) from None


def _bytes(number: int, said: str) -> bytes:
    try:
        return base64.b64decode(said, validate=True)
    except (binascii.Error, ValueError):
        raise serializers.ValidationError({"messages": [f"Message {number + 1} is no base64."]}) from None
