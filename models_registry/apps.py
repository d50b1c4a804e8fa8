"""The registry: models, versions, their files and the artifacts built from them."""

from django.apps import AppConfig


class ModelsRegistryConfig(AppConfig):
    name = "models_registry"
