"""What the throw-away process says of files, with proof that it loads none of them."""

import bz2
import gzip
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.worker import poisoned
from worker.scanning import second_opinions
from worker.scanning.examining import examine
from worker.scanning.process import report_on

MARKER = Path(tempfile.gettempdir()) / f"hopyard-executed-{os.getpid()}" / "executed"
X = np.random.default_rng(1).random((60, 4))
Y = (X[:, 0] > 0.5).astype(int)


@pytest.fixture(autouse=True)
def _nothing_is_executed() -> Iterator[None]:
    """Everybody may write where the payloads would."""
    MARKER.parent.mkdir(exist_ok=True)
    MARKER.parent.chmod(0o777)
    yield
    was_executed = MARKER.exists()
    shutil.rmtree(MARKER.parent)
    assert not was_executed


def report(data: bytes, most_unpacked: int = 2**31) -> dict[str, Any]:
    """What the process would answer, found in this one: it has all rights, so that an absent file is a proof."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        return examine(file, most_unpacked)


def answer(data: bytes, **options: Any) -> dict[str, Any]:
    """What the throw-away process answers."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        return report_on(file, **options)


def said(found: dict[str, Any]) -> str:
    return " ".join(f"{each['sentence']} {each['evidence']}" for each in found["findings"])


def dumped(value: object, compress: Any = 0) -> bytes:
    target = io.BytesIO()
    joblib.dump(value, target, compress=compress)
    return target.getvalue()


def test_the_payload_works_where_it_is_loaded() -> None:
    data = pickle.dumps(poisoned.Touches(str(MARKER)))
    subprocess.run([sys.executable, "-c", f"import pickle; pickle.loads({data!r})"], check=True)
    assert MARKER.exists()
    MARKER.unlink()


@pytest.mark.parametrize("name", sorted(poisoned.wrappings("")))
def test_a_harmful_pickle_is_found_in(name: str) -> None:
    found = report(poisoned.wrappings(str(MARKER))[name])
    assert found["verdict"] == "dangerous", found
    assert "posix.system" in found["imports"]


@pytest.mark.parametrize("name", ["protocol 0", "nested", "LZ4", "tar.gz"])
def test_the_process_finds_what_is_found_here(name: str) -> None:
    data = poisoned.wrappings(str(MARKER))[name]
    assert answer(data) == report(data)


@pytest.mark.parametrize("name", sorted(poisoned.TRICKS))
def test_no_trick_hides_what_is_dangerous(name: str) -> None:
    assert report(poisoned.TRICKS[name])["verdict"] == "dangerous"


@pytest.mark.parametrize("name", sorted(poisoned.ODDITIES))
def test_what_is_odd_or_cannot_be_read_is_suspicious(name: str) -> None:
    found = report(poisoned.ODDITIES[name])
    assert found["verdict"] == "suspicious", found
    assert found["findings"]


MODELS = {
    "forest": RandomForestClassifier(5),
    "boosting": GradientBoostingClassifier(n_estimators=3),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
}


@pytest.mark.parametrize("name", MODELS)
def test_ordinary_models_are_code_and_no_more(name: str) -> None:
    model = MODELS[name].fit(X, Y)
    for data in [pickle.dumps(model, 0), pickle.dumps(model, 2), pickle.dumps(model, 5), dumped(model)]:
        found = report(data)
        assert (found["verdict"], found["findings"]) == ("code", [])
        assert any(each.startswith("sklearn.") for each in found["imports"])


@pytest.mark.parametrize("how", ["zlib", "gzip", "bz2", "xz", "lzma"])
def test_compressed_joblib_files_are_read_to_their_end(how: str) -> None:
    found = report(dumped(MODELS["forest"].fit(X, Y), (how, 3)))
    assert (found["verdict"], found["findings"]) == ("code", [])
    assert found["kind"].startswith("joblib (")


def test_what_follows_the_arrays_of_a_joblib_file_is_found() -> None:
    arrays = {"weights": X, "words": np.array(["a", None], dtype=object)}
    found = report(dumped([arrays, poisoned.Touches(str(MARKER))]))
    assert found["kind"] == "joblib"
    assert found["verdict"] == "dangerous"
    inside = np.array([poisoned.Touches(str(MARKER))], dtype=object)
    assert report(dumped({"a": X, "b": inside}))["verdict"] == "dangerous"


def test_an_array_of_joblib_whose_numbers_are_operations_to_pickle_is_found() -> None:
    """joblib passes over the padding and the numbers; plain `pickle.load` takes them for operations."""
    operations = b"cos\nsystem\n(S'id'\ntR."
    plain = dumped(np.frombuffer(operations, dtype=np.uint8))
    start = plain.index(operations)
    before = plain[:start].rstrip(b"\xff")[:-1]
    found = report(before + b"N" * (1 + ord("N")) + plain[start:])
    assert (found["kind"], found["verdict"]) == ("joblib", "dangerous")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (poisoned.safetensors(bytes(64)), "safetensors"),
        (poisoned.onnx(), "ONNX"),
        (poisoned.skops("numpy", "ndarray"), "skops"),
        (b'{"learner":{"attributes":{}},"version":[2,0,3]}', "XGBoost JSON"),
        (b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{}}", "XGBoost UBJSON"),
        (b"tree\nversion=v4\nnum_class=1\n", "LightGBM text"),
        (b"GGUF" + bytes(20), "GGUF"),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5"),
        (poisoned.npy("'<f8'", bytes(8)), "NumPy array"),
        (poisoned.zipped({"a.npy": poisoned.npy("'<f8'", bytes(8))}), "NumPy archive"),
        (b"a,b,c\n1,2,3\n4,5,6\n", "table"),
        (b'{"a": [1, 2]}', "JSON"),
        (b"cat\ndog\nscipy\nos\nsystem\n", "text"),
        (b"celery\nrequests\nplatform\n", "text"),
        (b"", "empty"),
    ],
)
def test_formats_without_code_are_safe_and_known_by_content(data: bytes, kind: str) -> None:
    found = report(data)
    assert (found["verdict"], found["kind"], found["findings"]) == ("safe", kind, [])


def test_python_is_code_and_random_bytes_are_unknown() -> None:
    found = report(b"import os\n\nclass Predict:\n    pass\n")
    assert (found["verdict"], found["kind"]) == ("code", "Python source")
    found = report(b"\x01" + np.random.default_rng(2).bytes(300_000))
    assert (found["verdict"], found["findings"]) == ("unknown", [])


def test_types_of_skops_that_are_to_be_trusted_are_named() -> None:
    found = report(poisoned.skops("my_package.layers", "Odd"))
    assert (found["verdict"], found["kind"]) == ("code", "skops")
    assert "my_package.layers.Odd" in said(found)
    assert report(poisoned.skops("os", "system"))["verdict"] == "dangerous"


def test_code_nothing_is_known_of_is_named() -> None:
    found = report(b"\x80\x04cmy_package.models\nNet\n)\x81.")
    assert found["verdict"] == "code"
    assert [each["severity"] for each in found["findings"]] == ["code"]
    assert "my_package.models.Net" in said(found)


def test_distributions_of_scipy_are_not_ordinary_since_they_run_a_text_of_the_pickle() -> None:
    data = (
        b"\x80\x04cscipy.stats._continuous_distns\nnorm_gen\n)\x81}\x8c\x13_parse_arg_template\x8c\x01x\x73b."
    )
    assert "norm_gen" in said(report(data))


def test_frames_and_arrays_are_ordinary() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"], "c": pd.to_datetime(["2020", "2021"])})
    for value in (frame, np.array([1, "a", None], dtype=object), np.random.default_rng(1)):
        found = report(pickle.dumps(value))
        assert (found["verdict"], found["findings"]) == ("code", [])


def test_a_bomb_is_put_down_early() -> None:
    zeros = zlib.compressobj(9, wbits=-15)
    sixteen_mb = zeros.compress(bytes(2**24)) + zeros.flush(zlib.Z_FULL_FLUSH)
    found = answer(gzip.compress(b"")[:10] + sixteen_mb * 64)
    assert found["verdict"] == "suspicious"
    assert "200 times its size" in said(found)
    found = report(bz2.compress(os.urandom(2**20) * 3), most_unpacked=2**20)
    assert "more than is looked at" in said(found)
    zip_bomb = poisoned.zipped({"a": bytes(2**26 + 1)})
    assert "200 times its size" in said(report(zip_bomb))


def test_files_that_lie_too_deeply_in_files_are_given_up() -> None:
    data = b"x"
    for _ in range(8):
        data = zlib.compress(data)
    assert "too deeply" in said(report(data))


def test_a_long_look_ends_in_a_verdict() -> None:
    found = answer(b"\x80\x04" + b"(" * 5_000_000 + b".", seconds=0.3)
    assert found["verdict"] == "suspicious"
    assert "took longer than 0.3 seconds" in said(found)


def test_a_value_that_doubles_itself_does_not_hold_up_the_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_opinions, "PATIENCE_SECONDS", 0.3)
    doubled = b"\x80\x04cposix\nsystem\nK\x01" + b"2\x86" * 40 + b"\x85R."
    found = report(doubled)
    assert found["verdict"] == "dangerous"
    assert "fickling came to no end" in said(found)


def test_deep_marks_and_endless_lines_hurt_nobody() -> None:
    assert report(b"\x80\x04" + b"(" * 100_000 + b"1" * 99_999 + b".")["verdict"] in {"code", "suspicious"}
    assert report(b"c" + b"a" * 3_000_000)["kind"] == "text"
    assert report(b"[" * 100_000)["verdict"] == "safe"


def confined(code: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """What becomes of code that somehow came to run in the process."""
    program = (
        "import os, pickle, socket, subprocess, sys\nfrom worker.scanning import confinement\n"
        f"confinement.limit(file_bytes=1000)\nconfinement.give_up_rights({str(tmp_path)!r})\n{code}"
    )
    return subprocess.run(
        [sys.executable, "-I", "-c", program], env={}, capture_output=True, text=True, check=False
    )


ESCAPES = {
    "a program": f"os.system('touch {MARKER}')",
    "a program by its module": f"subprocess.run(['touch', '{MARKER}'])",
    "a file": f"open('{MARKER}', 'w')",
    "a connection": "socket.socket().connect(('127.0.0.1', 9))",
    "a pickle": f"pickle.loads({pickle.dumps(poisoned.Touches(str(MARKER)))!r})",
    "a process": "os.fork()",
}


@pytest.mark.parametrize("name", ESCAPES)
def test_even_code_that_came_to_run_there_would_be_stopped(name: str, tmp_path: Path) -> None:
    ended = confined(ESCAPES[name], tmp_path)
    assert ended.returncode != 0
    assert "Forbidden" in ended.stderr


def test_the_process_is_small(tmp_path: Path) -> None:
    assert "MemoryError" in confined("bytes(3 * 1024**3)", tmp_path).stderr
    assert confined("print(dict(os.environ))", tmp_path).stdout.count("HOPYARD") == 0


@pytest.mark.parametrize(
    "answer",
    [b"", b"no json", b"[]", b'{"verdict": "fine"}', json.dumps({"verdict": "safe", "kind": 1}).encode()],
)
def test_an_answer_that_is_no_report_makes_a_file_suspicious(answer: bytes) -> None:
    from worker.scanning import process

    assert process._understood(0, answer)["verdict"] == "suspicious"
    assert process._understood(-11, b"")["verdict"] == "suspicious"
