"""The model server: one process, one user's class, answers over HTTP. `main` runs it until told to stop."""

from hopyard.server.lifecycle import main

__all__ = ["main"]
