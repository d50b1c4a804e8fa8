"""Gives the tests data of their own, before anything reads the settings.

`HOPYARD_TEST_DATABASE_URL` names a PostgreSQL to run them on instead of SQLite.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
DATA_DIR = Path(tempfile.mkdtemp(prefix=f"hopyard-tests-{WORKER}-"))
FIRST_PORT = 20_000 + 1_000 * (0 if WORKER == "main" else 1 + int(WORKER.removeprefix("gw")))
KEPT = {"HOPYARD_FUZZ_EXAMPLES", "HOPYARD_REQUIRE_ALL", "HOPYARD_TEST_DATABASE_URL"}

for name in [name for name in os.environ if name.startswith("HOPYARD_") and name not in KEPT]:
    del os.environ[name]
os.environ |= {
    "HOPYARD_DATA_DIR": str(DATA_DIR),
    "HOPYARD_BROKER_URL": "memory://",
    "HOPYARD_SERVING_PORTS": f"{FIRST_PORT}-{FIRST_PORT + 499}",
    "HOPYARD_STOP_GRACE_SECONDS": "5",
}
if url := os.environ.get("HOPYARD_TEST_DATABASE_URL"):
    os.environ["HOPYARD_DATABASE_URL"] = url
atexit.register(shutil.rmtree, DATA_DIR, ignore_errors=True)
