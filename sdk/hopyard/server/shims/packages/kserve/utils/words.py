"""Words of a command line to values."""

TRUE = ("y", "yes", "t", "true", "on", "1")
FALSE = ("n", "no", "f", "false", "off", "0")


def strtobool(val: str) -> bool:
    """Return what a word such as yes, true, off or 0 means. Raises ValueError."""
    word = str(val).lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise ValueError(f"invalid truth value {val}")
