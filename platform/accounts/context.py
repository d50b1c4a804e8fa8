"""What every page's frame shows: the projects to choose from."""

from typing import Any

from django.http import HttpRequest

from accounts import queries
from accounts.models import User


def project_menu(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {}
    return {"menu_projects": queries.projects_of(user)}
