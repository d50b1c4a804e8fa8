"""`kserve.model_repository`: the models of one server by name."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .constants.constants import MODEL_MOUNT_DIRS
from .model import BaseKServeModel


class ModelRepository:
    """Overridden to load models on demand: `load(name)`, sync or async, puts one here with `update`."""

    def __init__(self, models_dir: str = MODEL_MOUNT_DIRS) -> None:
        self.models: dict[str, BaseKServeModel] = {}
        self.models_dir = models_dir

    def set_models_dir(self, models_dir: str) -> None:
        """Look for models elsewhere."""
        self.models_dir = models_dir

    def load_models(self) -> None:
        """Load each directory below `models_dir` with `load_model`."""
        for directory in sorted(Path(self.models_dir).iterdir()):
            if directory.is_dir():
                self.load_model(directory.name)

    def get_model(self, name: str) -> BaseKServeModel | None:
        """Return a model by name, or None."""
        return self.models.get(name)

    def get_models(self) -> dict[str, BaseKServeModel]:
        """Return all models by name."""
        return self.models

    async def is_model_ready(self, name: str) -> bool:
        """Whether a model is here and healthy."""
        model = self.get_model(name)
        if model is None:
            return False
        healthy = model.healthy()
        return bool(await healthy if inspect.isawaitable(healthy) else healthy)

    def update(self, model: BaseKServeModel, name: str | None = None) -> None:
        """Put a model here, under its own name or another."""
        self.models[name or model.name] = model

    def load(self, name: str) -> Any:
        """Load one model. Overridden by repositories that can."""

    def load_model(self, name: str) -> Any:
        """Load one of the directories of `load_models`. Overridden by repositories that can."""

    def unload(self, name: str) -> None:
        """Stop a model and forget it. Raises KeyError."""
        model = self.models.pop(name)
        model.stop()
        if model.engine:
            model.stop_engine()

    def __iter__(self) -> Iterator[str]:
        return iter(self.models)
