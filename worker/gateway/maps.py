"""The maps in which HAProxy looks things up: servings by path and by host, canaries, keys. Pure functions."""

from collections.abc import Iterable, Mapping

from worker.gateway.description import Entry, Key

SERVINGS = "servings.map"
HOSTS = "hosts.map"
CANARIES = "canaries.map"
KEYS = "keys.map"
FREE_KEYS = "free-keys.map"
NEVER = 99_999_999_999

FORBIDDEN, FREE, LIMITED = "0", "1", "2"  # what a key may: not predict, predict, predict so and so often


def text(pairs: Mapping[str, str]) -> str:
    return "".join(f"{name} {value}\n" for name, value in sorted(pairs.items()))


def read(text: str) -> dict[str, str]:
    """A map's file, or what `show map` says of it, whose lines begin with an address."""
    lines = (line.split() for line in text.splitlines() if line.strip())
    return {words[-2]: words[-1] for words in lines if len(words) in {2, 3}}


def servings(entries: Iterable[Entry]) -> dict[str, str]:
    """By the two parts of the path that name a serving."""
    return {f"{each.project}/{each.serving}": each.name for each in entries}


def hosts(entries: Iterable[Entry], domain: str) -> dict[str, str]:
    """By host, in lower case. A project's underscores are hyphens there, which no project's name has."""
    found = {}
    for each in entries if domain else ():
        project, serving = each.project.lower().replace("_", "-"), each.serving.lower()
        found[f"{serving}.{project}.{domain}"] = each.name
        found[f"{serving}-{project}.{domain}"] = each.name
    return found


def canaries(entries: Iterable[Entry]) -> dict[str, str]:
    return {each.name: str(each.percent) for each in entries if each.percent}


def keys(known: Iterable[Key]) -> dict[str, str]:
    """Everything about a key by its id; the digest in the capital letters that HAProxy's `hex` writes. The order of the
    parts is what rules.py reads.
    """
    return {
        each.id: f"{each.digest.upper()}|{each.project}|{each.expires or NEVER}|{_may(each)}|{each.limit}"
        for each in known
    }


def free_keys(known: Iterable[Key]) -> dict[str, str]:
    """When those expire that may predict without a limit, by id and project: what is asked for each request."""
    return {f"{each.id}.{each.project}": str(each.expires or NEVER) for each in known if _may(each) == FREE}


def _may(key: Key) -> str:
    if not key.may_predict:
        return FORBIDDEN
    return LIMITED if key.limit else FREE
