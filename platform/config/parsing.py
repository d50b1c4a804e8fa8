"""Reads request bodies as JSON that the database and every later answer can hold."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

LONGEST = 8 * 1024 * 1024


class StrictJSONParser(BaseParser):
    """JSON without NaN, infinities, lone surrogates, NUL and bottomless nesting."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        raw = stream.read(LONGEST + 1)
        if len(raw) > LONGEST:
            raise ParseError(f"A JSON body may have at most {LONGEST // 1024**2} MB; upload files as files.")
        try:
            said = json.loads(raw.decode(), parse_constant=_refuse_constant, parse_float=_finite)
            text = json.dumps(said, ensure_ascii=False)
            text.encode()
        except UnicodeError:
            raise ParseError("The body is not valid UTF-8 text.") from None
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None
        except ValueError as error:
            raise ParseError(f"The body is not valid JSON: {error}.") from None
        if r"\u0000" in text and _holds_nul(said):
            raise ParseError("Text may not hold the character NUL.")
        return said


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


def _holds_nul(said: Any) -> bool:
    if isinstance(said, dict):
        return any(_holds_nul(key) or _holds_nul(value) for key, value in said.items())
    if isinstance(said, list):
        return any(_holds_nul(each) for each in said)
    return isinstance(said, str) and "\0" in said
