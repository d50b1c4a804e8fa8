"""First things first: the administrator and the first project of a new installation."""

import secrets

from django.db import transaction

from accounts import services
from accounts.models import Project, User

ADMIN = "admin"
FIRST_PROJECT = "demo"


@transaction.atomic
def first_time() -> str | None:
    """Create the administrator and the first project; return the password, or None where people exist."""
    if User.objects.exists():
        return None
    password = secrets.token_urlsafe(12)
    admin = User.objects.create_superuser(ADMIN, password=password)
    if not Project.objects.exists():
        services.create_project(name=FIRST_PROJECT, owner=admin, description="The first project")
    return password
