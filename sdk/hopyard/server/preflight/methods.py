"""What each authoring style must be able to call on the classes it found, before any of them is constructed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hopyard.server.failures import Failure
from hopyard.server.flavors import Flavor, kserve, mlrun, predict
from hopyard.server.flavors.kserve import deployments, signatures
from hopyard.server.flavors.mlrun import construct, plan
from hopyard.server.preflight import calling
from hopyard.server.transformers import loading as transformers

ROWS = ("inputs",)
EVENTS = {
    "load": (),
    "preprocess": ("request", "operation"),
    "validate": ("request", "operation"),
    "predict": ("request",),
    "explain": ("request",),
    "postprocess": ("response",),
}
PAYLOADS = ("preprocess", "validate", "predict", "explain", "postprocess")
ARGUMENTS = ("payload", "headers", "response_headers")


def targets(flavor: Flavor, found: Any) -> list[Any]:
    """The classes, or objects, that will be called. Raises Failure, where there are none or too many."""
    if flavor is mlrun:
        if isinstance(found, plan.Plan):
            return [plan.resolve(route.target, found.namespace) for route in found.routes]
        return [mlrun.only(found)]
    deployment = deployments.deployment_of(found) if flavor is kserve else None
    return [found if deployment is None else deployment.func_or_class]


def check(flavor: Flavor, each: Any) -> list[str]:
    """Return the names of the methods that will be called. Raises Failure MethodMissing, MethodInvalid, MethodAsync."""
    rules = {mlrun: _of_mlrun, kserve: _of_kserve, predict: _of_predict}
    expected = rules[flavor](each)  # type: ignore[index]
    complaints = [calling.complaint(each, name, given) for name, given in expected.items()]
    _refuse(complaints)
    return list(expected)


def check_transformer(found: Any) -> None:
    """Raises Failure MethodInvalid and LoadFailed. Whether it has any handler shows when it is built."""
    is_model = transformers.is_model(found)
    if not is_model:
        _refuse_arguments(found)
    limit = (
        3 if is_model else 2
    )  # what it asks for beyond the document: headers, and a model those of the answer
    complaints = [
        calling.complaint(found, name, (document, *ARGUMENTS[1:])[: min(limit, _takes(found, name))])
        for name, document in (("preprocess", "inputs"), ("postprocess", "outputs"))
        if hasattr(found, name)
    ]
    _refuse(complaints)


def _of_predict(kind: type) -> Mapping[str, Sequence[str]]:
    names = [name for name in predict.VERBS if getattr(kind, name, None) is not None]
    if not set(names) & set(predict.INFER) and not _may_come_later(kind, predict.INFER):
        raise predict.nothing_to_call(kind)
    _refuse_arguments(kind)
    return dict.fromkeys(names, ROWS)


def _of_mlrun(target: Any) -> Mapping[str, Sequence[str]]:
    construct.refuse_async(target)
    kind = target if isinstance(target, type) else type(target)
    base = plan.base_of(kind)
    own = [name for name in dir(kind) if getattr(kind, name) is not getattr(base, name, None)]
    operations = [name for name in own if name.startswith("op_")]
    if not operations and not {"predict", "explain", "do_event"} & set(own) and isinstance(target, type):
        raise _nothing_overridden(kind, "predict(self, request)")
    return {name: given for name, given in EVENTS.items() if name in own} | dict.fromkeys(
        operations, ("event",)
    )


def _of_kserve(target: Any) -> Mapping[str, Sequence[str]]:
    kind = target if isinstance(target, type) else type(target)
    own = [name for name in (*PAYLOADS, "__call__") if _is_own(target, kind, name)]
    if not own or own == ["validate"]:
        raise _nothing_overridden(kind, "predict(self, payload, headers)")
    found = {name: ARGUMENTS[: _takes(target, name)] for name in own if name != "__call__"}
    return found | ({"load": ()} if _is_own(target, kind, "load") else {})


def _takes(target: Any, name: str) -> int:
    method = getattr(target, name)
    if not callable(method):
        return 1
    bound = method.__get__(object()) if isinstance(target, type) and hasattr(method, "__get__") else method
    return signatures.takes(bound, answers_headers=False)


def _is_own(target: Any, kind: type, name: str) -> bool:
    if not isinstance(target, type) and name in getattr(target, "__dict__", {}):
        return True
    owner = next((each for each in kind.__mro__ if name in vars(each)), None)
    return owner is not None and owner is not object and owner.__module__.partition(".")[0] != "kserve"


def _refuse(complaints: Sequence[str]) -> None:
    found = " ".join(filter(None, complaints))
    if found:
        raise Failure("MethodInvalid", found)


def _refuse_arguments(kind: type) -> None:
    arguments = calling.needed(kind)
    if arguments:
        wanted = " and ".join(arguments)
        raise Failure(
            "LoadFailed",
            f"{kind.__name__} cannot be constructed without {wanted}, and the server gives it no arguments; "
            f"give {wanted} a default, or read it from os.environ.",
        )


def _nothing_overridden(kind: type, method: str) -> Failure:
    return Failure(
        "MethodMissing", f"The class {kind.__name__} has no method predict of its own; add {method}."
    )


def _may_come_later(kind: type, names: Sequence[str]) -> bool:
    """Whether constructing may add methods: something sets such an attribute, or answers for any."""
    makers = {"__getattr__", "__getattribute__", "__new__"}
    for each in kind.__mro__[:-1]:
        if makers & vars(each).keys() or any({*names, "setattr", "__dict__"} & used for used in _used(each)):
            return True
    return False


def _used(kind: type) -> Iterator[set[str]]:
    for value in vars(kind).values():
        code = getattr(value, "__code__", None)
        if code is not None:
            yield set(code.co_names)
