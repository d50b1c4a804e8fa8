"""What a replica costs beside its model: memory over bare Python with it, and seconds until the first answer."""

import subprocess
from typing import Any

from home import DATA, python
from servers import SERVER_CORE, Server, rows, rss_kib
from targets import SCRIPTS, Target

# Imports nothing but what the script does: it loads it, predicts one row, says how long that took, and waits.
BARE = """
import sys
from runpy import run_path
from time import perf_counter

row = eval(sys.argv[2])
began = perf_counter()
model = run_path(sys.argv[1])["Predict"]()
model.predict([row])
print(perf_counter() - began, flush=True)
sys.stdin.read()
"""


def measure(target: Target, model: str, port: int) -> dict[str, Any]:
    """`over_mib` is resident memory after some load, `over_seconds` from exec to the first right answer."""
    bare_mib, load_seconds = _bare(model)
    with Server(target, model, port) as server:
        server.measure(8, 1)
        memory, seconds = server.memory_mib(), server.first_answer_seconds
    return {
        "target": target.name,
        "model": model,
        "bare_mib": round(bare_mib, 1),
        "over_mib": round(memory - bare_mib, 1),
        "load_seconds": round(load_seconds, 3),
        "over_seconds": round(seconds - load_seconds, 3),
    }


def _bare(model: str) -> tuple[float, float]:
    script, row = str(SCRIPTS / f"{model}.py"), repr(rows()[model]["rows"][0])
    command = ["taskset", "-c", SERVER_CORE, python("hopyard"), "-c", BARE, script, row]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"ARTIFACT_FILES_PATH": str(DATA), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    if process.stdout is None:
        raise RuntimeError("no output to read")
    seconds = float(process.stdout.readline())
    memory = rss_kib(process.pid) / 1024
    process.communicate("")
    return memory, seconds
