"""What ends replays as the worker does."""

from collections.abc import Callable

import pytest
from django.conf import settings

from serving.models import Replay
from tests.waiting import eventually
from worker.deployers.base import Deployer
from worker.replaying import stepping

Finish = Callable[[Replay], Replay]


@pytest.fixture
def finish(deployer: Deployer) -> Finish:
    def run(replay: Replay) -> Replay:
        eventually(lambda: stepping.step(replay.pk, deployer), seconds=60, what="the end of a replay")
        replay.refresh_from_db()
        assert deployer.status(replay.key) == []
        assert not (settings.KEYS_DIR / f"{replay.key}.json").exists()
        return replay

    return run
