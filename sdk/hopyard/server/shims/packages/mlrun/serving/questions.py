"""What an event asks of a model: the operation, the id, the inputs by name."""

from typing import Any

from ..errors import MLRunInvalidArgumentError


def operation_of(event: Any, body: Any) -> str:
    """Return what is asked for: by the path, else by the body, else `infer`; nothing with GET."""
    op = str(event.path or "").strip("/")
    if not op and body and isinstance(body, dict):
        op = body.get("operation") or ""
    return op or ("" if event.method == "GET" else "infer")


def id_of(event: Any, body: Any) -> Any:
    """Return the id that the body gives, else that of the event."""
    return body.get("id", event.id) if isinstance(body, dict) else event.id


def in_order(body: Any, names: list[str]) -> dict[str, Any]:
    """Turn inputs by name into rows in the order of `names`. Raises MLRunInvalidArgumentError."""
    if not names:
        raise MLRunInvalidArgumentError(
            "In order to use predict_dict or infer_dict operation you have to provide `model_path` to the model "
            "server and to load it by `load()` function, with a model_spec.yaml that lists the inputs"
        )
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if isinstance(inputs, dict):
        return {**body, "inputs": _row(inputs, names)}
    if isinstance(inputs, list) and all(isinstance(each, dict) for each in inputs):
        return {**body, "inputs": [_row(each, names) for each in inputs]}
    raise MLRunInvalidArgumentError(
        "When using predict_dict or infer_dict operation the inputs must be of type `list[dict]` or `dict`"
    )


def _row(given: dict[str, Any], names: list[str]) -> list[Any]:
    missing = [name for name in names if name not in given]
    if missing:
        raise MLRunInvalidArgumentError(
            f"Input dictionary don't contain all the necessary input keys : {names}; {missing} are missing"
        )
    return [given[name] for name in names]
