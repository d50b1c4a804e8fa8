"""REST API: who am I, projects, members, API keys."""

from typing import Any

from django.contrib.auth import authenticate
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import access, queries, services
from accounts.access import Access
from accounts.authentication import ApiKeyAuthentication
from accounts.models import ApiKey, AuditEntry, FilePolicy, Member, Project, Role, Scope, User
from accounts.serializers import (
    ApiKeySerializer,
    LoginSerializer,
    MemberSerializer,
    MembershipSerializer,
    MeSerializer,
    NewApiKeySerializer,
    NewProjectSerializer,
    ProjectSerializer,
    ProjectSettingsSerializer,
    RoleSerializer,
)
from accounts.throttles import LoginThrottle


class Me(APIView):
    """The caller, their projects and the key they came with."""

    @extend_schema(responses=MeSerializer)
    def get(self, request: Request) -> Response:
        assert isinstance(request.user, User)
        memberships = (
            Member.objects.filter(user=request.user).select_related("project").order_by("project__name")
        )
        key = request.auth
        if isinstance(key, ApiKey):
            memberships = memberships.filter(project=key.project_id)
        shown = (
            {"id": key.id, "project": key.project.name, "scopes": key.scopes}
            if isinstance(key, ApiKey)
            else None
        )
        return Response(
            {
                "username": request.user.username,
                "projects": MembershipSerializer(memberships, many=True).data,
                "key": shown,
            }
        )


class Login(APIView):
    """Exchange a password for an API key of one project."""

    permission_classes = [AllowAny]
    authentication_classes = [ApiKeyAuthentication]  # its header makes a refusal a 401
    throttle_classes = [LoginThrottle]

    @extend_schema(request=LoginSerializer, responses={201: NewApiKeySerializer})
    def post(self, request: Request) -> Response:
        given = LoginSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        said = given.validated_data
        user = authenticate(request, username=said["username"], password=said["password"])
        if user is None:
            raise AuthenticationFailed("The user name or the password is wrong.")
        member = (
            Member.objects.filter(user=user, project__name=said["project"])
            .select_related("project", "user")
            .first()
        )
        if member is None:
            raise PermissionDenied(f"{said['username']} is not a member of a project {said['project']}.")
        own = access.of_member(member, None)
        key, text = services.create_key(access=own, name=said["name"], scopes=own.scopes - {Scope.ADMIN})
        return _shown_once(key, text)


class Projects(generics.ListAPIView[Project]):
    """The projects the caller is a member of."""

    serializer_class = ProjectSerializer
    queryset = Project.objects.none()

    def get_queryset(self) -> QuerySet[Project]:
        assert isinstance(self.request.user, User)
        found = queries.projects_of(self.request.user)
        key = self.request.auth
        return found.filter(pk=key.project_id) if isinstance(key, ApiKey) else found

    @extend_schema(request=NewProjectSerializer, responses={201: ProjectSerializer})
    def post(self, request: Request) -> Response:
        if isinstance(request.auth, ApiKey):
            raise PermissionDenied("An API key belongs to one project; sign in to create another.")
        assert isinstance(request.user, User)
        given = NewProjectSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        project = services.create_project(owner=request.user, **given.validated_data)
        return Response(ProjectSerializer(project).data, status=status.HTTP_201_CREATED)


class InProject(APIView):
    """A view inside a project; `reach` loads it and checks the right in one step."""

    def reach(self, needs: Scope = Scope.READ) -> Access:
        return access.project(self.request, self.kwargs["project"], needs=needs)


class ProjectDetail(InProject):
    @extend_schema(responses=ProjectSerializer)
    def get(self, request: Request, project: str) -> Response:
        return Response(ProjectSerializer(self.reach().project).data)


class Members(generics.ListAPIView[Member], InProject):
    serializer_class = MemberSerializer
    queryset = Member.objects.none()

    def get_queryset(self) -> QuerySet[Member]:
        return queries.members(self.reach().project)


class MemberDetail(InProject):
    """Give a person a role in the project, or take them out of it."""

    @extend_schema(request=RoleSerializer, responses=MemberSerializer)
    def put(self, request: Request, project: str, username: str) -> Response:
        own = self.reach(Scope.ADMIN)
        given = RoleSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        member = services.set_member(access=own, username=username, role=Role(given.validated_data["role"]))
        return Response(MemberSerializer(member).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project: str, username: str) -> Response:
        services.remove_member(access=self.reach(Scope.ADMIN), username=username)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ApiKeys(generics.ListAPIView[ApiKey], InProject):
    """One's own keys; everybody's for an owner."""

    serializer_class = ApiKeySerializer
    queryset = ApiKey.objects.none()

    def get_queryset(self) -> QuerySet[ApiKey]:
        return queries.visible_keys(self.reach())

    @extend_schema(request=ApiKeySerializer, responses={201: NewApiKeySerializer})
    def post(self, request: Request, project: str) -> Response:
        own = self.reach(_needs_of_key_work(request))
        given = ApiKeySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        key, text = services.create_key(access=own, **given.validated_data)
        return _shown_once(key, text)


class ApiKeyDetail(InProject):
    """End a key. A key may always end itself."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project: str, key_id: str) -> Response:
        is_itself = isinstance(request.auth, ApiKey) and request.auth.id == key_id
        needs = Scope.READ if is_itself else _needs_of_key_work(request)
        services.revoke_key(access=self.reach(needs), key_id=key_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Audit(InProject):
    """The newest 200 lines of the audit trail, for owners."""

    @extend_schema(responses={200: dict[str, Any]})
    def get(self, request: Request, project: str) -> Response:
        entries = queries.audit_trail(self.reach(Scope.ADMIN).project)[:200]
        return Response({"items": [_entry(entry) for entry in entries]})


class Settings(InProject):
    """What owners decide for the project."""

    @extend_schema(responses=ProjectSettingsSerializer)
    def get(self, request: Request, project: str) -> Response:
        return Response(ProjectSettingsSerializer(self.reach(Scope.ADMIN).project).data)

    @extend_schema(request=ProjectSettingsSerializer(partial=True), responses=ProjectSettingsSerializer)
    def patch(self, request: Request, project: str) -> Response:
        own = self.reach(Scope.ADMIN)
        given = ProjectSettingsSerializer(own.project, data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        changed = services.change_settings(
            access=own,
            file_policy=FilePolicy(given.validated_data.get("file_policy", own.project.file_policy)),
            quota_mb=given.validated_data.get("quota_mb", own.project.quota_mb),
        )
        return Response(ProjectSettingsSerializer(changed).data)


def _needs_of_key_work(request: Request) -> Scope:
    """A person manages their own keys; a key does so only if it may administer."""
    return Scope.ADMIN if isinstance(request.auth, ApiKey) else Scope.READ


def _entry(entry: AuditEntry) -> dict[str, Any]:
    names = ("actor", "action", "target", "detail", "created_at")
    return {name: getattr(entry, name) for name in names}


def _shown_once(key: ApiKey, text: str) -> Response:
    key.key = text  # type: ignore[attr-defined]
    return Response(NewApiKeySerializer(key).data, status=status.HTTP_201_CREATED)
