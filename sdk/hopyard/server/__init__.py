"""The model server: answers predictions with a user's script. `main` runs it until told to stop; `mock` makes
one in this process, without sockets, for tests of a script.
"""

from hopyard.server.lifecycle import main
from hopyard.server.mock import mock

__all__ = ["main", "mock"]
