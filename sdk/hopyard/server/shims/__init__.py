"""Stand-ins for packages that old scripts import, used only where the real package is absent.

`packages/` goes to the end of the path, so an installed package of the same name always wins.
`sklearn.externals.joblib`, which scikit-learn dropped in 0.23, is answered with joblib itself.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

PACKAGES = str(Path(__file__).parent / "packages")


def install() -> None:
    """Make the stand-ins importable, behind everything that is really installed."""
    if PACKAGES not in sys.path:
        sys.path.append(PACKAGES)
    if not any(isinstance(finder, _OldJoblib) for finder in sys.meta_path):
        sys.meta_path.append(_OldJoblib())


class _OldJoblib(MetaPathFinder, Loader):
    """Finds `sklearn.externals.joblib`, after every other finder has not."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == "sklearn.externals.joblib" else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = ModuleType(spec.name)
        joblib = importlib.import_module("joblib")
        module.__dict__.update({k: v for k, v in vars(joblib).items() if not k.startswith("__")})
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: `create_module` filled it."""
