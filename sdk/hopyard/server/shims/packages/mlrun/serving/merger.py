"""Merge steps belong to flows, which are not hosted here."""

from ..unsupported import unsupported

Merge = unsupported("Merge", "flows are not hosted; use a router with models, such as ParallelRun")
