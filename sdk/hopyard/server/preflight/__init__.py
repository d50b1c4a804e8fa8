"""Pre-flight: in a throw-away process, everything a replica does before it serves, one check after the other."""

from hopyard.server.preflight.checklist import run

__all__ = ["run"]
