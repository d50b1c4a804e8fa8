"""The JSON forms of people, projects, members and keys."""

from rest_framework import serializers

from accounts.limits import MOST_PER_SECOND
from accounts.models import ApiKey, Member, Project, Role, Scope
from accounts.services import LARGEST_QUOTA_MB


class ProjectSerializer(serializers.ModelSerializer[Project]):
    class Meta:
        model = Project
        fields = ["name", "description", "created_at"]
        read_only_fields = ["created_at"]


class ProjectSettingsSerializer(serializers.ModelSerializer[Project]):
    """`quota_mb` null: what the installation grants; 0: no limit."""

    quota_mb = serializers.IntegerField(min_value=0, max_value=LARGEST_QUOTA_MB, allow_null=True)

    class Meta:
        model = Project
        fields = ["file_policy", "quota_mb"]


class NewProjectSerializer(serializers.Serializer[Project]):
    name = serializers.CharField(max_length=64)
    description = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)


class MembershipSerializer(serializers.ModelSerializer[Member]):
    name = serializers.CharField(source="project.name", read_only=True)

    class Meta:
        model = Member
        fields = ["name", "role"]


class MeSerializer(serializers.Serializer[object]):
    username = serializers.CharField()
    projects = MembershipSerializer(many=True)
    key = serializers.DictField(allow_null=True)


class MemberSerializer(serializers.ModelSerializer[Member]):
    username = serializers.CharField(source="user.username")

    class Meta:
        model = Member
        fields = ["username", "role", "created_at"]
        read_only_fields = ["created_at"]


class RoleSerializer(serializers.Serializer[Member]):
    role = serializers.ChoiceField(choices=Role.choices)


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    username = serializers.CharField(source="user.username", read_only=True)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))
    requests_per_second = serializers.IntegerField(
        min_value=1, max_value=MOST_PER_SECOND, allow_null=True, required=False
    )

    class Meta:
        model = ApiKey
        fields = [
            "id",
            "name",
            "username",
            "scopes",
            "created_at",
            "expires_at",
            "requests_per_second",
            "revoked_at",
            "last_used_at",
        ]
        read_only_fields = ["id", "created_at", "revoked_at", "last_used_at"]


class NewApiKeySerializer(ApiKeySerializer):
    """A key just made: the only answer that holds its text."""

    key = serializers.CharField(read_only=True)
    project = serializers.CharField(source="project.name", read_only=True)

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "key", "project"]


class LoginSerializer(serializers.Serializer[object]):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=500, trim_whitespace=False, style={"input_type": "password"})
    project = serializers.CharField(max_length=64)
    name = serializers.CharField(max_length=100, default="hopyard login")
