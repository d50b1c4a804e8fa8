"""What two do to a topic at once, on a PostgreSQL, whatever database the other tests run on."""

import os
import subprocess
import sys
from pathlib import Path

from tests import postgres

HERE = Path(__file__).resolve().parent


def test_a_topic_is_not_deleted_while_somebody_begins_to_use_it() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header"]
    with postgres.running("fsync=off") as url:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environment["HOPYARD_TEST_DATABASE_URL"] = url
        ended = subprocess.run(
            [*command, str(HERE / "on_postgres.py")],
            env=environment,
            cwd=HERE.parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, ended.stdout[-8000:] + ended.stderr[-2000:]
    assert "3 passed" in ended.stdout
