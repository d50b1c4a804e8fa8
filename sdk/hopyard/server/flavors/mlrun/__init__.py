"""MLRun's style: classes derived from `V2ModelServer`, one of them, or the models of a serving function.

The classes are those of this server's stand-in for MLRun or of an installed MLRun. A function is what
`code_to_function`, `new_function` and `set_function` make, or the JSON in the variable SERVING_SPEC_ENV.
"""

from types import ModuleType
from typing import Any

from hopyard.server.failures import Failure
from hopyard.server.flavors import Host, Model
from hopyard.server.flavors.mlrun import assembly, plan
from hopyard.server.flavors.mlrun.addressing import Address, address
from hopyard.server.flavors.mlrun.hosting import STYLE
from hopyard.server.flavors.mlrun.plan import Plan, Route

__all__ = ["STYLE", "Address", "address", "build", "find", "only"]


def find(module: ModuleType, host: Host) -> Plan | list[type] | None:
    """Return the class that was named, else the models of the script's functions, else its model classes."""
    namespace = vars(module)
    if host.class_name:
        named = namespace.get(host.class_name)
        return [named] if isinstance(named, type) and plan.is_model_class(named) else None
    classes = plan.model_classes(module)
    if classes and (stated := plan.of_environment(namespace)):
        return stated
    functions = list(plan.functions_of(module))
    if functions:
        return plan.of_function(functions[-1], namespace)
    return classes or None


def build(found: Plan | list[type], host: Host) -> list[Model]:
    """Construct and load what was found. A class gets the name of the host, its options as arguments, and the
    directory of the artifact's files as `model_path`. Raises Failure ClassAmbiguous.
    """
    if isinstance(found, Plan):
        return assembly.models_of(found, host)
    return assembly.models_of(_plan_of(only(found), host), host)


def only(found: list[type]) -> type:
    """Return the one class. Raises Failure ClassAmbiguous."""
    if len(found) > 1:
        names = ", ".join(each.__name__ for each in found)
        raise Failure(
            "ClassAmbiguous",
            f"The script has several model classes, {names}; say which one to serve with the class name, "
            "or add them as models to a serving function.",
        )
    return found[0]


def _plan_of(kind: type[Any], host: Host) -> Plan:
    options = dict(host.options)
    load_mode = str(options.pop("load_mode", "") or "")
    args, parameters = assembly.divided(kind, options)
    route = Route(host.name, kind, args)
    return Plan((route,), {}, load_mode=load_mode, parameters=parameters, is_named_by_host=True)
