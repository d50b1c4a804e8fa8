"""The shape of the house: what must be there, and what must not."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST = 300


def test_platform_is_a_source_root_and_never_a_package() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()


def test_a_fresh_interpreter_in_the_root_finds_the_standard_platform_module() -> None:
    code = "import platform; print(platform.python_version())"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert found.stdout.strip() == ".".join(map(str, sys.version_info[:3]))


def test_no_file_is_longer_than_one_can_read() -> None:
    sources = [
        path
        for name in ("platform", "models_registry", "serving", "worker", "sdk")
        for path in (ROOT / name).rglob("*.py")
        if "migrations" not in path.parts
    ]
    assert len(sources) > 50
    long = {str(path): length for path in sources if (length := len(path.read_text().splitlines())) > LONGEST}
    assert not long


def test_the_model_server_imports_neither_django_nor_the_client() -> None:
    code = "import sys, hopyard.server.lifecycle; print({'django', 'httpx', 'celery', 'click'} & set(sys.modules))"
    python = ROOT / ".venv-replica" / "bin" / "python"
    found = subprocess.run([python, "-c", code], cwd="/", check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "set()"
