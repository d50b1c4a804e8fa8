"""`manage.py images`: builds the base image, and the image of the packages that servings get which ask for none."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from serving.environments import platform_packages
from worker.environments.problems import EnvironmentProblem
from worker.images import build, engine, host

LATEST = "hopyard/server"


class Command(BaseCommand):
    help = "Build the images that containers start from, so that the first serving need not wait for them."

    def handle(self, *args: Any, **options: Any) -> None:
        own = platform_packages.now()
        order = host.order(own.key, own.python, own.lock)
        try:
            with engine.connected(host.engine_url(), order.seconds) as client:
                base = build.build_base(client, order, self._tell)
                engine.name(client, base.id, LATEST)
                self._say(f"{order.server} is {base.size_bytes / 1e6:.0f} MB.")
                if own.lock:
                    built = build.build(client, order, self._tell)
                    self._say(f"{built.reference} is {built.size_bytes / 1e6:.0f} MB.")
        except EnvironmentProblem as problem:
            raise CommandError(f"{problem.reason}\n{problem.evidence[-2000:]}") from None

    def _say(self, sentence: str) -> None:
        self.stdout.write(self.style.SUCCESS(sentence))

    def _tell(self, line: str) -> None:
        if line:
            self.stdout.write(line)
