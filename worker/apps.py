"""The worker's tasks and commands; it keeps no tables of its own."""

from django.apps import AppConfig


class WorkerConfig(AppConfig):
    name = "worker"
