"""What importing the package costs and gives, in a fresh interpreter."""

import subprocess
import sys


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_package_itself_loads_no_http_client() -> None:
    code = "import sys, hopyard; print({'httpx', 'click', 'hopyard.client'} & set(sys.modules))"
    assert run(code) == "set()"


def test_the_modules_are_there_either_way() -> None:
    assert (
        run("import hopyard; print(hopyard.serving.start.__name__, hopyard.model.Metric.MAX)") == "start MAX"
    )
    assert run("from hopyard import model, serving; print(model.export.__name__)") == "export"
    assert run("from hopyard import Client, connect; print(Client.__name__)") == "Client"
    assert run("import hopyard; print(set(hopyard.__all__) <= set(dir(hopyard)))") == "True"


def test_the_client_does_not_load_the_model_server() -> None:
    code = (
        "import sys, hopyard.cli; print([name for name in sys.modules if name.startswith('hopyard.server')])"
    )
    assert run(code) == "[]"
