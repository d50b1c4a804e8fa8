"""Scripts that only define a class: which one it is, and how it is constructed."""

import dataclasses
from pathlib import Path
from types import ModuleType
from typing import Any

import kserve
import pytest
from kserve import Model

from hopyard.server.flavors import kserve as flavor

from .asking import Asking


def script(**names: Any) -> ModuleType:
    module = ModuleType("script")
    module.__dict__.update(names, Model=Model, kserve=kserve)
    return module


class First(Model):
    def predict(self, payload):
        return payload


class Last(First):
    def __init__(self) -> None:
        super().__init__("of-its-own")


class Files(First):
    def __init__(self, model_name: str, model_dir: str, size: int = 3) -> None:
        super().__init__(model_name)
        self.model_dir, self.size = model_dir, size


class Odd(First):
    def __init__(self, called: str) -> None:
        super().__init__(called)


def test_the_last_class_is_found_and_kserves_own_are_not(asking: Asking) -> None:
    assert flavor.find(script(First=First, Last=Last), asking.host) is Last
    assert flavor.find(script(), asking.host) is None


def test_a_named_class_and_an_object_come_first(asking: Asking) -> None:
    host = dataclasses.replace(asking.host, class_name="First")
    assert flavor.find(script(First=First, Last=Last), host) is First
    made = First("a")
    assert flavor.find(script(First=First, made=made), asking.host) is made


@pytest.mark.parametrize(("kind", "name"), [(First, "m"), (Last, "of-its-own"), (Odd, "m")])
def test_a_class_is_constructed_and_loaded(asking: Asking, kind: type, name: str) -> None:
    models = flavor.build(kind, asking.host)
    assert [(model.name, model.trouble()) for model in models] == [(name, "")]


def test_a_class_gets_its_files_and_options(asking: Asking) -> None:
    from hopyard.server.flavors.kserve import describe

    host = dataclasses.replace(asking.host, files_dir=Path("/files"), options={"size": 5})
    made = describe.construct(Files, host, name="m")
    assert (made.name, made.model_dir, made.size) == ("m", "/files", 5)
