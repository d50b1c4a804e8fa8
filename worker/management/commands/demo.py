"""`manage.py demo`: play examples/iris against the platform, which is started if it is not up."""

import os
import subprocess
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts import access, authentication, installation, services
from accounts.models import Member
from worker import supervisor
from worker.management.commands.up import Command as Up


class Command(BaseCommand):
    help = "Train on iris, export, serve and predict, as a user would."

    def handle(self, *args: Any, **options: Any) -> None:
        with supervisor.only_one(settings.DATA_DIR) as is_mine:
            is_up = not is_mine
        if is_up:
            self.play()
            return
        Up().handle(web_workers=2, after=self.play)

    def play(self) -> None:
        environment = os.environ | {
            "HOPYARD_URL": settings.PUBLIC_URL,
            "HOPYARD_API_KEY": _key(),
            "HOPYARD_PROJECT": installation.FIRST_PROJECT,
        }
        script = settings.BASE_DIR / "examples" / "iris" / "demo.py"
        if subprocess.run([settings.REPLICA_PYTHON, script], env=environment, check=False).returncode:
            raise CommandError("The demo did not get through; its last words are above.")


def _key() -> str:
    """The key the last demo made, or a new one."""
    path: Path = settings.DATA_DIR / "demo.key"
    if path.exists() and authentication.find(path.read_text()):
        return path.read_text()
    member = (
        Member.objects.filter(project__name=installation.FIRST_PROJECT, role="owner")
        .select_related("project", "user")
        .first()
    )
    if member is None:
        raise CommandError(
            f"The demo needs the project {installation.FIRST_PROJECT} with an owner; create it first."
        )
    own = access.of_member(member, None)
    _, text = services.create_key(access=own, name="demo", scopes=["read", "write", "predict"])
    path.touch(mode=0o600)
    path.write_text(text)
    return text
