"""From stored samples to tables: medians, ratios with their spread, and whether a bar is met."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from cases import CLAIMS, FOREIGN, LIMIT, MEMORY_MIB, START_SECONDS, STYLES, Cell, Claim

Record = dict[str, Any]
Samples = dict[Cell, list[Record]]


def read(files: Iterable[Path]) -> list[Record]:
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def claims(records: Sequence[Record]) -> str:
    """The table of all claims, those that were not measured as well."""
    samples = _by_cell(records)
    lines = [
        _row("case", "connections", "ours", "peer", "ratio [spread]", "by CPU", "bar", "met"),
        "|---" * 8 + "|",
    ]
    lines += [_claim_row(claim, samples) for claim in CLAIMS]
    own = [record for record in records if "over_mib" in record]
    lines.append(_own_row("memory over bare Python and the model, MiB", "over_mib", MEMORY_MIB, own))
    lines.append(
        _own_row("start to first answer less the model's load, s", "over_seconds", START_SECONDS, own)
    )
    base = samples.get(Cell("hopyard", "m1", 64), [])
    for name in STYLES[1:]:
        if base and (measured := samples.get(Cell(name, "m1", 64))):
            rate = _short(_middle(measured, "rps"))
            lines.append(
                _row(f"KNN as {name}", 64, rate, "hopyard", _ratio(measured, base, "rps"), "", "", "")
            )
    return "\n".join([*lines, "", *_remarks(records, samples)])


def sides(records: Sequence[Record]) -> str:
    """The table of a comparison: new against old."""
    samples = _by_cell(records)
    lines = [
        _row("case", "old /s", "new /s", "new / old [spread]", "CPU a request, old / new"),
        "|---" * 5 + "|",
    ]
    for cell, old in samples.items():
        new = samples.get(Cell("new", cell.model, cell.connections))
        if cell.target == "old" and new:
            case = f"{cell.model}, {cell.connections} connections"
            rates = [_short(_middle(each, "rps")) for each in (old, new)]
            lines.append(_row(case, *rates, _ratio(new, old, "rps"), _ratio(old, new, "cpu_us")))
    return "\n".join([*lines, "", *_remarks(records, samples)])


def _by_cell(records: Iterable[Record]) -> Samples:
    found: Samples = {}
    for record in records:
        if "rps" in record:
            cell = Cell(record["target"], record["model"], record["connections"], record["traced"])
            found.setdefault(cell, []).append(record)
    return found


def _claim_row(claim: Claim, samples: Samples) -> str:
    mine = samples.get(claim.cell(claim.ours))
    rivals = {name: samples[claim.cell(name)] for name in claim.peers if claim.cell(name) in samples}
    if not mine or not rivals:
        return _row(claim.text, claim.connections, "not measured", "", "", "", f"{claim.bar:g}x", "")
    if claim.metric == "p50_ms":
        best = min(rivals, key=lambda name: _middle(rivals[name], "p50_ms"))
    else:
        best = max(rivals, key=lambda name: _middle(rivals[name], "rps"))
    theirs = rivals[best]
    if claim.metric == "rps":
        pair, values = (mine, theirs, "rps", "rps"), [_middle(each, "rps") for each in (mine, theirs)]
    else:  # less is better, so the peer's is divided by ours
        metric = "p99_ms" if claim.metric == "tail" else "p50_ms"
        pair, values = (theirs, mine, "p50_ms", metric), [_middle(mine, metric), _middle(theirs, "p50_ms")]
    unit = "/s" if claim.metric == "rps" else " ms"
    by_cpu = _ratio(theirs, mine, "cpu_us") if claim.metric == "rps" else ""
    return _row(
        claim.text,
        claim.connections,
        f"{_short(values[0])}{unit}",
        f"{best} {_short(values[1])}{unit}",
        _ratio(*pair),
        by_cpu,
        f"{claim.bar:g}x",
        "yes" if _quotient(*pair) >= claim.bar else "**no**",
    )


def _own_row(text: str, name: str, bar: float, records: Sequence[Record]) -> str:
    values = [record[name] for record in records]
    if not values:
        return _row(text, "", "not measured", "", "", "", f"{bar:g}", "")
    met = "yes" if median(values) <= bar else "**no**"
    spread = f"[{min(values):.3g} to {max(values):.3g}]"
    return _row(text, "", f"{median(values):.3g}", "", spread, "", f"at most {bar:g}", met)


def _remarks(records: Sequence[Record], samples: Samples) -> list[str]:
    remarks = [
        f"- {each['target']} {each['model']} failed: {each['error']}" for each in records if "error" in each
    ]
    taken = [record for cell, each in samples.items() if cell.target != LIMIT for record in each]
    if taken:
        foreign = [record["foreign"] for record in taken]
        remarks.append(
            f"- {len(taken)} samples; other processes used {median(foreign):.2f} cores in the median, "
            f"{max(foreign):.2f} at most. The spread is that of the repeats' own ratios."
        )
        if median(foreign) > FOREIGN:
            remarks.append(
                "- **The machine was busy: believe no verdict of this run, and of its ratios those by CPU.**"
            )
    for record in taken:
        where = f"- {record['target']} {record['model']} at {record['connections']}"
        if record["errors"]:
            remarks.append(f"{where}: {record['errors']} of {record['requests']} requests failed.")
        if record["client_cpu"] > 0.95:
            remarks.append(f"{where}: the client was the bottleneck.")
    return remarks


def _ratio(above: list[Record], below: list[Record], name: str, other: str = "") -> str:
    of_repeat = {record["repeat"]: record for record in below}
    pairs = [(record, of_repeat[record["repeat"]]) for record in above if record["repeat"] in of_repeat]
    each = [_divide(a[name], b[other or name]) for a, b in pairs] or [0.0]
    return f"{_short(_quotient(above, below, name, other))}x [{_short(min(each))} to {_short(max(each))}]"


def _quotient(above: list[Record], below: list[Record], name: str, other: str = "") -> float:
    return _divide(_middle(above, name), _middle(below, other or name))


def _middle(records: list[Record], name: str) -> float:
    return median(record[name] for record in records)


def _divide(above: float, below: float) -> float:
    return above / below if below else float("inf")


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _row(*values: object) -> str:
    return f"| {' | '.join(map(str, values))} |"
