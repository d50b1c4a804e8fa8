"""The KServe style: classes derived from `kserve.Model`, and scripts that start a `kserve.ModelServer` themselves.

`prepare` looks at a script before it is run. One that starts its server is run as the main program; its
`start(models)` then calls the host's `hand_over` and returns when the server stops, be kserve installed or the
stand-in of this server. `find` and `build` are for scripts that only define a class.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from hopyard.server.flavors import Host, Model
from hopyard.server.flavors.kserve import deployments, describe, hosting, installed, scripts
from hopyard.server.flavors.kserve.describe import STYLE
from hopyard.server.flavors.kserve.pipeline import Loop

__all__ = ["STYLE", "Preparation", "build", "find", "prepare"]


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a script is to be run. `run_as_main`: as `__main__`. `globals`: names it uses without importing them,
    to be in its module before it runs; its own definitions replace them.
    """

    run_as_main: bool
    globals: Mapping[str, Any]
    _hosting: hosting.Hosting

    @property
    def handed_over(self) -> bool:
        """Whether the script started its server, so that nothing is left to find in it."""
        return self._hosting.handed_over


def prepare(source: bytes | str, host: Host | None) -> Preparation:
    """Get ready for a script, which is not run and need not be valid; before `sys.argv` is its own or after. Without
    a host, starting a server does nothing.
    """
    tree = scripts.parsed(source)
    expected = hosting.expect(host)
    if scripts.imports_kserve(tree):
        installed.redirect(hosting.start)
    return Preparation(scripts.starts_server(tree), scripts.forgotten(tree), expected)


def find(module: ModuleType, host: Host) -> object | None:
    """Return the script's deployment or model object, or else its last class derived from kserve's Model."""
    if "kserve" not in sys.modules:
        return None
    base = describe.base_class()
    own = list(vars(module).values())
    if host.class_name:
        named = getattr(module, host.class_name, None)
        own = [named] if named is not None else []
    made = [each for each in own if isinstance(each, base) or deployments.deployment_of(each) is not None]
    classes = [
        each
        for each in own
        if isinstance(each, type) and issubclass(each, base) and not each.__module__.startswith("kserve.")
    ]
    return next(iter(made or reversed(classes)), None)


def build(found: Any, host: Host) -> list[Model]:
    """Construct a class, load it if that did not make it ready, and describe it; a deployment is started."""
    deployment = deployments.deployment_of(found)
    if deployment is not None:
        return [deployments.replicated(deployment, host.name or deployment.name, host)]
    loop = Loop()
    instance = describe.construct(found, host, name=host.name) if isinstance(found, type) else found
    if not instance.ready:
        loop.settle(instance.load())
    return [describe.described(instance, instance.name or host.name, host, loop=loop)]
