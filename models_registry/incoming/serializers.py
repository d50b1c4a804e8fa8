"""The JSON forms of files on their way in."""

from typing import Any

from django.core.validators import RegexValidator
from rest_framework import serializers

from models_registry.incoming import queries
from models_registry.incoming.bodies import SHA256
from models_registry.models import IncomingChunk, IncomingFile, ModelVersion
from models_registry.serializers import FileSerializer

LARGEST = 2**63 - 1
sha256_digits = RegexValidator(rf"^{SHA256.pattern}\Z", "A sha256 has 64 hexadecimal digits.")


class NewIncomingSerializer(serializers.Serializer[IncomingFile]):
    """`upload` is a draft's id, or null for a free file; `path` is inside the draft, or starts with Resources/."""

    upload = serializers.UUIDField(required=False, allow_null=True, default=None)
    path = serializers.CharField(max_length=500, trim_whitespace=False)
    size = serializers.IntegerField(min_value=0, max_value=LARGEST, help_text="bytes")
    sha256 = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        validators=[sha256_digits],
        help_text="of the whole file",
    )
    chunk_bytes = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=2**31 - 1
    )
    unpack = serializers.BooleanField(required=False, default=False)


class ChunkSerializer(serializers.ModelSerializer[IncomingChunk]):
    class Meta:
        model = IncomingChunk
        fields = ["number", "sha256"]


class IncomingSerializer(serializers.ModelSerializer[IncomingFile]):
    """Chunks are numbered from 0 to `chunk_count` - 1; `chunks` are there, `missing` are to be sent."""

    upload = serializers.UUIDField(source="draft.upload", allow_null=True, default=None)
    chunk_count = serializers.SerializerMethodField()
    chunks = ChunkSerializer(many=True)
    missing = serializers.SerializerMethodField()

    class Meta:
        model = IncomingFile
        fields = [
            "id",
            "upload",
            "path",
            "size",
            "sha256",
            "unpack",
            "chunk_bytes",
            "chunk_count",
            "chunks",
            "missing",
        ]

    def get_chunk_count(self, file: IncomingFile) -> int:
        return queries.layout(file).count

    def get_missing(self, file: IncomingFile) -> list[int]:
        return queries.missing(file)


class CompletedSerializer(serializers.Serializer[object]):
    """The file, or the files it was unpacked into."""

    files = FileSerializer(many=True)


class DraftSerializer(serializers.ModelSerializer[ModelVersion]):
    """A model version that is being uploaded: what was said of it, and which files are there whole."""

    id = serializers.UUIDField(source="upload")
    model = serializers.CharField(source="model.name")
    version = serializers.IntegerField(source="number", allow_null=True)
    overwrite = serializers.BooleanField(source="may_overwrite")
    files = serializers.SerializerMethodField()

    class Meta:
        model = ModelVersion
        fields = [
            "id",
            "model",
            "version",
            "overwrite",
            "description",
            "framework",
            "metrics",
            "tags",
            "created_at",
            "files",
        ]

    def get_files(self, draft: ModelVersion) -> list[dict[str, Any]]:
        return [dict(each) for each in FileSerializer(draft.files.all(), many=True).data]
