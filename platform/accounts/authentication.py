"""Finds the person behind an API key in a request's headers."""

from collections.abc import Mapping
from datetime import timedelta

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts import keys
from accounts.models import ApiKey, User

USE_RECORDED_EVERY = timedelta(minutes=1)


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: ApiKey <key>`, `Authorization: Bearer <key>` or `X-API-Key: <key>`."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        text = key_in(request.headers)
        if text is None:
            return None
        key = find(text)
        if key is None:
            raise AuthenticationFailed("This API key is unknown, expired or revoked; make a new one.")
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return "ApiKey"


def key_in(headers: Mapping[str, str]) -> str | None:
    scheme, _, text = headers.get("Authorization", "").partition(" ")
    if scheme.lower() in {"apikey", "bearer"}:
        return text.strip()
    return headers.get("X-API-Key")


def find(text: str) -> ApiKey | None:
    """The usable key with this text, its last use recorded to the minute."""
    key_id = keys.key_id(text)
    key = ApiKey.objects.select_related("user", "project").filter(id=key_id).first() if key_id else None
    if key is None or not keys.matches(text, key.digest) or not key.is_usable or not key.user.is_active:
        return None
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > USE_RECORDED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key
