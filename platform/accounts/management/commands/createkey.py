"""`manage.py createkey PROJECT USER`: make an API key from the machine itself, and print it once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import access, services
from accounts.models import Member, Scope


class Command(BaseCommand):
    help = "Make an API key for a member of a project and print it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project")
        parser.add_argument("username")
        parser.add_argument("--name", default="command line")
        parser.add_argument("--scopes", nargs="+", choices=Scope.values, default=["read", "write", "predict"])

    def handle(self, *, project: str, username: str, name: str, scopes: list[str], **options: Any) -> None:
        member = (
            Member.objects.select_related("project", "user")
            .filter(project__name=project, user__username=username)
            .first()
        )
        if member is None:
            raise CommandError(f"{username} is not a member of a project {project}.")
        try:
            _, text = services.create_key(access=access.of_member(member, None), name=name, scopes=scopes)
        except services.AccountsError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(text)
