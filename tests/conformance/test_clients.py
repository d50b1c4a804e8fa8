"""What the clients people already have make of this server."""

import ast

import pytest

from .conftest import HERE

FILES = {"triton_http": "tritonclient", "triton_grpc": "tritonclient", "kserve_clients": "kserve"}


def checks():
    for name, environment in FILES.items():
        tree = ast.parse((HERE / "clients" / f"{name}.py").read_text())
        for each in tree.body:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name.startswith("check_"):
                yield pytest.param(environment, name, each.name, id=f"{name}-{each.name[6:]}")


@pytest.mark.parametrize(("environment", "name", "check"), list(checks()))
def test_the_client_is_content(outcomes, environment, name, check):
    failure = outcomes(environment, name)[check]
    assert not failure, failure
