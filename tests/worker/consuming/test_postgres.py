"""All of this on a PostgreSQL, whatever database the other tests run on."""

import os
import subprocess
import sys
from pathlib import Path

from tests import postgres

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1]


def test_records_are_stored_found_and_trimmed_on_postgres_too() -> None:
    here = [HERE / name for name in ("test_records.py", "test_unusable.py", "test_retention.py")]
    files = map(
        str, [*here, TESTS / "serving/records/test_bins.py", TESTS / "serving/records/test_queries.py"]
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header", *files]
    with postgres.running("fsync=off") as url:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environment["HOPYARD_TEST_DATABASE_URL"] = url
        ended = subprocess.run(
            command, env=environment, cwd=HERE.parents[2], capture_output=True, text=True, check=False
        )
    assert ended.returncode == 0, ended.stdout[-8000:] + ended.stderr[-2000:]
    assert "skipped" not in ended.stdout
