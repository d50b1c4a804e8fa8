"""The accounts app: people, projects, roles, keys and the audit trail."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import openapi  # noqa: F401 - drf-spectacular finds the scheme once it is imported
