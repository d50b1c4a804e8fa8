"""Reads the requirements a user gives: names, versions, extras, markers and hashes; nothing that touches the host."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

MOST_BYTES = 64 * 1024
MOST_COMPLAINTS = 5
LONGEST_LINE = 2_000
OWN = {"hopyard", "hopyard-platform"}
COMMENT = re.compile(r"(?<!\S)#.*$")
HASH = re.compile(r"\s--hash[=\s]\s*(\S+)")
GOOD_HASH = re.compile(r"sha256:[0-9a-f]{64}\Z")
PATH = re.compile(r"^[./~\\]|^[A-Za-z]:[\\/]|\.(whl|zip|tar\.gz|tgz|tar\.bz2)$|^[^@;\s]*[/\\]")
VCS = ("git+", "hg+", "svn+", "bzr+")


class BadRequirements(ValueError):
    """One sentence for each line that cannot be taken."""


class _BadLine(ValueError):
    pass


@dataclass(frozen=True)
class Line:
    """A requirement, the line it began on and the hashes the user gave with it."""

    number: int
    requirement: Requirement
    hashes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)


def normal(text: str) -> str:
    """The same text whatever the browser or editor made of its line ends; what a resolution is known by."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def parse(text: str, *, allows_urls: bool = False) -> list[Line]:
    """The requirements in the order they are written; raises BadRequirements with a sentence for each bad line."""
    if len(text.encode(errors="replace")) > MOST_BYTES:
        raise BadRequirements(
            f"The requirements may have {MOST_BYTES // 1024} KB; list what the script imports."
        )
    lines, complaints = [], []
    for number, content in _logical_lines(text):
        try:
            lines.append(_line(number, content, allows_urls))
        except _BadLine as error:
            complaints.append(f"Line {number}: {error}")
    if complaints:
        more = len(complaints) - MOST_COMPLAINTS
        shown = complaints[:MOST_COMPLAINTS] + ([f"{more} more lines are wrong."] if more > 0 else [])
        raise BadRequirements(" ".join(shown))
    return lines


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, those that end in a backslash joined with what follows."""
    start, held = 0, ""
    for number, raw in enumerate([*text.splitlines(), ""], 1):
        content = COMMENT.sub("", raw).rstrip()
        start = start or number
        if content.endswith("\\"):
            held += content[:-1] + " "
            continue
        if whole := (held + content).strip():
            yield start, whole
        start, held = 0, ""


def _line(number: int, content: str, allows_urls: bool) -> Line:
    if content.startswith("-"):
        raise _BadLine(_about_option(content.split(maxsplit=1)[0].partition("=")[0]))
    if any(ord(each) < 32 and each != "\t" for each in content) or "${" in content:
        raise _BadLine(
            "control characters and variables such as ${HOME} are not taken; write the name itself."
        )
    hashes = tuple(HASH.findall(content))
    words = HASH.sub("", content).strip()
    if len(words) > LONGEST_LINE:
        raise _BadLine(f"a requirement may have {LONGEST_LINE} characters; one package stands on a line.")
    if re.search(r"\s--?[A-Za-z]", words):
        raise _BadLine(f"{_short(words)!r} has an option; only --hash may follow a requirement.")
    requirement = _requirement(words)
    if canonicalize_name(requirement.name) in OWN:
        raise _BadLine("every replica has hopyard already, in the platform's own version; leave it out.")
    _check_url(requirement, allows_urls)
    _check_hashes(requirement, hashes)
    return Line(number, requirement, hashes)


def _requirement(words: str) -> Requirement:
    if words.startswith(VCS):
        raise _BadLine(
            "a repository cannot be locked by its hash; build a wheel of it and put that on an index."
        )
    if re.match(r"[a-z+]+://", words, re.IGNORECASE):
        raise _BadLine(f"{_short(words)!r} is an address; write the package's name and version instead.")
    if PATH.search(words.partition(" @ ")[0].strip()):
        raise _BadLine(
            f"{_short(words)!r} is a path, and nothing on the platform's disk can be installed; name a package."
        )
    try:
        return Requirement(words)
    except RecursionError:
        raise _BadLine(
            f"{_short(words)!r} has too many parentheses in each other; write it flatter."
        ) from None
    except InvalidRequirement:
        raise _BadLine(
            f"{_short(words)!r} is no requirement; write a name and, if you like, versions: scikit-learn>=1.5"
        ) from None


def _check_url(requirement: Requirement, allows_urls: bool) -> None:
    url = requirement.url
    if url is None:
        return
    if url.startswith(VCS):
        raise _BadLine(
            "a repository cannot be locked by its hash; build a wheel of it and put that on an index."
        )
    if not url.startswith("https://"):
        raise _BadLine(f"{_short(url)!r} is not an https address; name a package of the index instead.")
    if not allows_urls:
        raise _BadLine(
            f"{requirement.name} is asked for by address, which this installation does not allow "
            "(HOPYARD_ALLOW_URL_REQUIREMENTS); name a version of it on the index."
        )


def _check_hashes(requirement: Requirement, hashes: tuple[str, ...]) -> None:
    if bad := [each for each in hashes if not GOOD_HASH.match(each)]:
        raise _BadLine(f"{_short(bad[0])!r} is no hash; write --hash=sha256: and 64 digits.")
    operators = {each.operator for each in requirement.specifier}
    if hashes and not requirement.url and not operators & {"==", "==="}:
        raise _BadLine(f"a hash belongs to one version; write {requirement.name}==<version> before it.")


def _about_option(option: str) -> str:
    if option in {"-e", "--editable"}:
        return "an editable folder cannot be served; put the code beside the script, or a wheel on an index."
    if option in {"-r", "--requirement", "-c", "--constraint"}:
        return f"{option} would read another file; copy its lines here."
    if "index" in option or option in {"-i", "-f", "--find-links", "--trusted-host"}:
        return f"{option}: which index is asked is the administrator's choice; leave the line out."
    return f"options such as {_short(option)} are not taken; leave the line out."


def _short(words: str) -> str:
    return words if len(words) <= 80 else f"{words[:79]}…"
