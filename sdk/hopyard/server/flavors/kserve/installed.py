"""The real kserve where it is installed: its ModelServer hands its models to this server instead of serving."""

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from hopyard.server.shims import PACKAGES

MODULE = "kserve.model_server"

Start = Callable[[Any, Any], None]


def redirect(start: Start) -> None:
    """Have every `ModelServer().start(models)` of the installed kserve be `start(server, models)`.

    The package is not imported for it: it reads the command line when the script imports it.
    """
    loaded = sys.modules.get(MODULE)
    if loaded is not None:
        _patch(loaded, start)
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder(start))


class _Finder(MetaPathFinder):
    """Finds one module, as all the others would, and has it patched when it has run."""

    def __init__(self, start: Start) -> None:
        self._start = start

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None and not (spec.origin or "").startswith(PACKAGES):
            spec.loader = _Patching(spec.loader, self._start)
        return spec


class _Patching(Loader):
    def __init__(self, loader: Loader, start: Start) -> None:
        self._loader = loader
        self._start = start

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _patch(module, self._start)


def _patch(module: ModuleType, start: Start) -> None:
    if not (module.__file__ or "").startswith(PACKAGES):
        module.ModelServer.start = start
