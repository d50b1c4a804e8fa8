"""What every page's frame shows: the projects to choose from."""

from typing import Any

from accounts import queries
from accounts.models import User
from django.http import HttpRequest


def project_menu(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {}
    return {"menu_projects": queries.projects_of(user)}
