"""What a user asks of a topic made by hand, and what can be refused without asking the broker."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from serving.errors import ServingError
from serving.topics import naming, schemas

NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
SUBJECT = re.compile(r"[A-Za-z0-9._-]{1,249}")
LARGEST_SCHEMA = 64 * 1024
TYPES = (str, dict, list)
REQUIRED: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "record": ("fields", list),
    "error": ("fields", list),
    "enum": ("symbols", list),
    "array": ("items", TYPES),
    "map": ("values", TYPES),
    "fixed": ("size", int),
}
MOST_PARTITIONS = 100
MOST_REPLICATION = 10


@dataclass(frozen=True)
class WantedTopic:
    """`subject` is inferenceschema with one of its versions, mlrunrecord, a name of the project's own with an Avro
    schema in JSON, or empty for messages of any form.
    """

    name: str
    subject: str = ""
    schema_version: int | None = None
    schema: str = ""
    partitions: int = 1
    replication: int = 1


def checked(wanted: WantedTopic) -> WantedTopic:
    """The same with its defaults filled in. Raises ServingError with the first field that is wrong."""
    check_name(wanted.name)
    _check_number("partitions", wanted.partitions, MOST_PARTITIONS)
    _check_number("replication", wanted.replication, MOST_REPLICATION)
    number, text = _schema(wanted)
    return WantedTopic(
        name=wanted.name,
        subject=_subject(wanted),
        schema_version=number,
        schema=text,
        partitions=wanted.partitions,
        replication=wanted.replication,
    )


def check_name(name: str) -> None:
    """Kafka's rules; names that begin with two underscores are its own, and two words of settings are nobody's."""
    if not NAME.fullmatch(name) or name in {".", ".."}:
        raise ServingError(
            "A topic's name has 1 to 249 letters, digits, dots, underscores and hyphens, and is not only dots.",
            field="name",
        )
    if name.startswith("__"):
        raise ServingError(
            "Names that begin with two underscores are the broker's own; choose another name.", field="name"
        )
    if meaning := naming.MEANINGS.get(name.upper()):
        raise ServingError(
            f"{name.upper()} in a serving's settings means {meaning}, so no serving could be given a topic {name}; "
            "choose another name.",
            field="name",
        )


def _check_number(field: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise ServingError(
            f"{field.capitalize()} must be between 1 and {most} here, not {value}.", field=field
        )


def _subject(wanted: WantedTopic) -> str:
    subject = wanted.subject.strip()
    known = {schemas.SUBJECT, schemas.MLRUN}
    return subject.lower() if subject.lower() in known else subject


def _schema(wanted: WantedTopic) -> tuple[int | None, str]:
    """The version and the text of the schema."""
    subject = _subject(wanted)
    if subject == schemas.SUBJECT:
        return _version_of_records(wanted), ""
    if subject == schemas.MLRUN or not subject:
        what = "MLRun's records are JSON and have" if subject else "A topic without a subject has"
        if wanted.schema.strip():
            raise ServingError(f"{what} no schema; leave it out, or choose another subject.", field="schema")
        if wanted.schema_version is not None:
            raise ServingError(f"{what} no version; leave it out.", field="schema_version")
        return None, ""
    if not SUBJECT.fullmatch(subject):
        raise ServingError(
            "A subject has 1 to 249 letters, digits, dots, underscores and hyphens.", field="subject"
        )
    if wanted.schema_version is not None and not 1 <= wanted.schema_version < 10**6:
        raise ServingError("A version of a schema is a number from 1.", field="schema_version")
    return wanted.schema_version or 1, _own_schema(subject, wanted.schema)


def _version_of_records(wanted: WantedTopic) -> int:
    if wanted.schema.strip():
        raise ServingError(
            f"{schemas.SUBJECT} has its schemas already; leave the schema out and give a version.",
            field="schema",
        )
    number = schemas.CURRENT if wanted.schema_version is None else wanted.schema_version
    if number not in schemas.VERSIONS:
        known = ", ".join(map(str, schemas.VERSIONS))
        raise ServingError(
            f"{schemas.SUBJECT} has no version {number}; it has {known}.", field="schema_version"
        )
    return number


def _own_schema(subject: str, text: str) -> str:
    """The text as it was given, if it is an Avro schema that stands by itself."""
    if not text.strip():
        raise ServingError(
            f"Give the Avro schema of {subject} in JSON; without a subject messages may have any form.",
            field="schema",
        )
    if len(text.encode(errors="replace")) > LARGEST_SCHEMA:
        raise ServingError(f"A schema may have {LARGEST_SCHEMA // 1024} KB.", field="schema")
    try:
        document = _document(text)
        _check_complete(document)
        fastavro.parse_schema(document)
    except json.JSONDecodeError as error:
        raise ServingError(
            f"The schema is no JSON: {error.msg} in line {error.lineno}.", field="schema"
        ) from None
    except UnknownType as error:
        named = error.name.get("type") if isinstance(error.name, dict) else error.name
        raise ServingError(
            f"The schema names the type {named!r:.100}, which is neither Avro's nor its own.", field="schema"
        ) from None
    except (SchemaParseException, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ServingError(f"This is no Avro schema: {_said(error)}", field="schema") from None
    return text


def _document(text: str) -> Any:
    """Raises ValueError, and what cannot be given out again as JSON is none."""
    found = json.loads(text, parse_constant=_number, parse_float=_number)
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("It has half of a surrogate pair, which is no letter.") from None
    return found


def _number(text: str) -> float:
    found = float(text)
    if not math.isfinite(found):
        raise ValueError(f"{text[:20]} is no number of JSON that can be kept.")
    return found


def _check_complete(schema: Any) -> None:
    """Raises KeyError or TypeError for what the parser does not miss before something is to be read with it."""
    if isinstance(schema, list):
        for each in schema:
            _check_complete(each)
    if not isinstance(schema, dict):
        return
    if "__fastavro_parsed" in schema:
        raise TypeError("it claims to be parsed already")
    kind = schema["type"]
    name, of = REQUIRED.get(kind if isinstance(kind, str) else "", ("type", TYPES))
    if not isinstance(schema[name], of):
        raise TypeError(f"{name!r} of {schema.get('name', kind)!s:.100} is {schema[name]!r:.100}.")
    inner = [each["type"] for each in schema[name]] if name == "fields" else [schema[name]]
    _check_complete([each for each in inner if not isinstance(each, str)] if name != "symbols" else [])


def _said(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]!r:.100} is missing."
    if isinstance(error, RecursionError):
        return "It is nested too deeply."
    return f"{str(error) or type(error).__name__:.200}"
