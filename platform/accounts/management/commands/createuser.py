"""`manage.py createuser NAME [--project P --role R]`: add a person, or reset their password."""

import getpass
import secrets
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts import services
from accounts.access import Access
from accounts.models import Project, Role, Scope, User


class Command(BaseCommand):
    help = "Add a person (or reset the password of one) and, if asked, make them a member of a project."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--project", help="a project to join")
        parser.add_argument("--role", choices=Role.values, default=Role.MEMBER)
        parser.add_argument(
            "--ask-password", action="store_true", help="type the password instead of getting one"
        )

    @transaction.atomic
    def handle(
        self, *, username: str, project: str | None, role: str, ask_password: bool, **options: Any
    ) -> None:
        user = User.objects.filter(username__iexact=username).first() or User(username=username)
        password = getpass.getpass() if ask_password and sys.stdin.isatty() else secrets.token_urlsafe(12)
        user.set_password(password)
        user.full_clean()
        user.save()
        if project:
            found = Project.objects.filter(name=project).first()
            if found is None:
                raise CommandError(f"There is no project {project}.")
            by_hand = Access(found, User(username="manage.py"), Role.OWNER, frozenset(Scope))
            services.set_member(access=by_hand, username=user.username, role=Role(role))
        self.stdout.write(
            f"{user.username} can sign in" + ("" if ask_password else f" with the password {password}")
        )
