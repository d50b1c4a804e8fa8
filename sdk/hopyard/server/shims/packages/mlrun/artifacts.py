"""`get_model`: the file of a model, its description in `model_spec.yaml`, and the files beside it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hopyard.server.config import exported_files_dir

from .datastore import DataItem, local_path

SPEC_FILE = "model_spec.yaml"
DEFAULT_SUFFIX = ".pkl"


class Feature:
    """One input or output of a model."""

    def __init__(self, name: str, value_type: str = "float", **more: Any) -> None:
        self.name = name
        self.value_type = value_type
        self._more = more

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "value_type": self.value_type, **self._more}


class Features:
    """The inputs or outputs of a model, in order."""

    def __init__(self, features: Any = None) -> None:
        self._features = [Feature(**each) for each in features or ()]

    def __iter__(self) -> Iterator[Feature]:
        return iter(self._features)

    def __len__(self) -> int:
        return len(self._features)

    def keys(self) -> list[str]:
        return [each.name for each in self._features]

    def to_dict(self) -> list[dict[str, Any]]:
        return [each.to_dict() for each in self._features]


class ModelArtifact:
    """What `model_spec.yaml` says; a field it has not is None."""

    def __init__(self, document: dict[str, Any] | None = None) -> None:
        given = document or {}
        flat = {**(given.get("metadata") or {}), **(given.get("spec") or given)}
        self._fields = flat
        self.inputs = Features(flat.get("inputs"))
        self.outputs = Features(flat.get("outputs"))
        self.parameters: dict[str, Any] = flat.get("parameters") or {}
        self.metrics: dict[str, Any] = flat.get("metrics") or {}
        self.labels: dict[str, Any] = flat.get("labels") or {}
        self.extra_data: dict[str, Any] = flat.get("extra_data") or {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._fields.get(name)

    def to_dict(self) -> dict[str, Any]:
        return dict(self._fields)


def get_model(model_dir: Any, suffix: str = "") -> tuple[str, ModelArtifact | None, dict[str, DataItem]]:
    """Return a model's file, its description if it has one, and the other files by name.

    `model_dir`: a directory, a file with the suffix (`.pkl` unless given), or a spec file; local, at an http(s)
    URL, or relative to the artifact being served. `store://` is that artifact. Raises ValueError if there is no
    file with the suffix, NotADirectoryError for a file with another.
    """
    suffix = suffix or DEFAULT_SUFFIX
    url = str(getattr(model_dir, "url", model_dir) or exported_files_dir())
    if url.startswith("store://"):
        url = str(exported_files_dir())
    if url.endswith((".yaml", ".yml")):
        path = _local(url)
        return _described(path.parent, path, suffix)
    if url.endswith(suffix):
        return (local_path(url, suffix) if "://" in url else str(_local(url))), None, {}
    directory = _local(url)
    if directory.is_file():
        raise NotADirectoryError(
            f"{url} is a file that does not end in {suffix}; say get_model('{directory.suffix}')"
        )
    if (directory / SPEC_FILE).is_file():
        return _described(directory, directory / SPEC_FILE, suffix)
    return _undescribed(directory, url, suffix)


def get_model_spec(model_dir: Any) -> ModelArtifact | None:
    """Return what a model's `model_spec.yaml` says; None if it has none."""
    path = _local(str(model_dir)) / SPEC_FILE
    return ModelArtifact(_read(path)) if path.is_file() else None


def _described(
    directory: Path, path: Path, suffix: str
) -> tuple[str, ModelArtifact | None, dict[str, DataItem]]:
    spec = ModelArtifact(_read(path))
    extra = {key: DataItem(key, _beside(directory, value)) for key, value in spec.extra_data.items()}
    named = spec.model_file
    if not named:
        file, _, _ = _undescribed(directory, str(directory), suffix)
        return file, spec, extra
    return local_path(_beside(directory, named), suffix), spec, extra


def _undescribed(directory: Path, url: str, suffix: str) -> tuple[str, None, dict[str, DataItem]]:
    files = sorted(path for path in directory.iterdir() if path.is_file()) if directory.is_dir() else []
    found = [path for path in files if path.name.endswith(suffix)]
    if not found:
        has = ", ".join(path.name for path in files[:40]) or "no files"
        raise ValueError(f"cant resolve model file for {url} suffix{suffix}; the directory has {has}")
    return str(found[0]), None, {path.name: DataItem(path.name, str(path)) for path in files}


def _local(url: str) -> Path:
    """A local path as it is, or within the artifact if it is only there."""
    path = Path(url.removeprefix("file://"))
    inside = exported_files_dir() / path
    return inside if not path.exists() and not path.is_absolute() and inside.exists() else path


def _beside(directory: Path, value: Any) -> str:
    url = str(value.get("url") or value.get("path") if isinstance(value, dict) else value)
    return url if "://" in url else str(directory / url)


def _read(path: Path) -> dict[str, Any]:
    text = path.read_text()
    try:
        import yaml
    except ImportError:
        return _read_json(text, path)
    document = yaml.safe_load(text)
    if not isinstance(document, dict):
        raise ValueError(
            f"{path.name} holds no mapping; it describes a model with model_file, inputs, outputs"
        )
    return document


def _read_json(text: str, path: Path) -> dict[str, Any]:
    """JSON is YAML that can be read without PyYAML."""
    try:
        document: dict[str, Any] = json.loads(text)
    except ValueError:
        raise ImportError(
            f"{path.name} is YAML, and PyYAML is not installed; add pyyaml to the environment that replicas run in"
        ) from None
    return document
