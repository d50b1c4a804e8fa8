"""Texts of strangers."""


def storable(text: str) -> str:
    """As databases and UTF-8 take it: without NUL and half characters."""
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")
