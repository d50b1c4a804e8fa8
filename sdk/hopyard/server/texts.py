"""What the text of a setting means; a ValueError says what is wrong with it."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

from hopyard.server.inference_log.rules import rule_of

LOGGING_MODES = ("ALL", "MODEL_INPUTS", "PREDICTIONS", "NONE")
BATCHING = ("auto", "on", "off")
REPORTS = ("file", "output")
SUBJECTS = ("inferenceschema", "mlrunrecord")
SCHEMAS = (1, 2, 3, 5)


def text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it is not UTF-8") from None
    return text


def port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError("a port is a number from 0 to 65535")
    return port


def count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError("at least 1 is needed")
    return count


def number(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError("at least 0 is needed")
    return number


def percent(text: str) -> float:
    percent = float(text)
    if not 0 <= percent <= 100:
        raise ValueError("a percentage is a number from 0 to 100")
    return percent


def words(text: str) -> tuple[str, ...]:
    return tuple(word for part in text.split(",") if (word := part.strip()))


def seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise ValueError("a number of seconds, 0 or more, is needed")
    return seconds


def switch(text: str) -> bool:
    if text.lower() in ("on", "true", "t", "yes", "y", "1"):
        return True
    if text.lower() in ("off", "false", "f", "no", "n", "0"):
        return False
    raise ValueError("it is either on or off")


def batching(text: str) -> str:
    if text.lower() not in BATCHING:
        raise ValueError(f"it is one of {', '.join(BATCHING)}")
    return text.lower()


def reports(text: str) -> str:
    if text.lower() not in REPORTS:
        raise ValueError(f"it is one of {', '.join(REPORTS)}")
    return text.lower()


def address(text: str) -> str:
    """An address as it is, to its last character. What is wrong is said without quoting it."""
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("an address has neither spaces nor letters that are not ASCII; write them as %XX")
    try:
        parts = urlsplit(text)
        has_port = parts.port != 0
    except ValueError:
        raise ValueError("its machine or its port is written wrongly") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not has_port:
        raise ValueError("it is no address that begins with http:// or https://")
    return text


def url(text: str) -> str:
    """An address that paths are put behind."""
    return address(text).rstrip("/")


def json_object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("it is a JSON object")
    return value


def rules(text: str) -> tuple[dict[str, Any], ...]:
    """Rules of redaction, which the shipper reads anew."""
    values = json.loads(text)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise ValueError("it is a JSON list of objects")
    for value in values:
        rule_of(value)
    return tuple(values)


def sha256(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text.lower()):
        raise ValueError("a sha256 is 64 hexadecimal digits")
    return text.lower()


def logging_mode(text: str) -> str:
    if text.upper() not in LOGGING_MODES:
        raise ValueError(f"it is one of {', '.join(LOGGING_MODES)}")
    return text.upper()


def subject(text: str) -> str:
    if text.lower() not in SUBJECTS:
        raise ValueError(f"it is one of {', '.join(SUBJECTS)}")
    return text.lower()


def schema(text: str) -> int:
    version = int(text)
    if version not in SCHEMAS:
        raise ValueError(f"it is one of {', '.join(map(str, SCHEMAS))}")
    return version
