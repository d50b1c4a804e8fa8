"""Servings: what users create, run, edit and stop."""

from django.apps import AppConfig


class ServingConfig(AppConfig):
    name = "serving"
