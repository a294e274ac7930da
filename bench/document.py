"""docs/BENCHMARKS.md and the README's table of accuracy and speed, made of records alone: the same records give the same text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.records import BUSY, Record, Row

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "BENCHMARKS.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- accuracy and speed: python bench/all.py -->", "<!-- end of accuracy and speed -->"
LONGEST_NOTE = 200


@dataclass(frozen=True)
class Part:
    """One part of the benchmark: commands that run by turns with their peers, each a benchmark's file and its words."""

    name: str
    title: str
    commands: tuple[tuple[str, ...], ...]
    packages: tuple[str, ...] = ()
    """Peers of this environment whose versions are told."""
    peers: tuple[str, ...] = ()
    """Peers with an environment of their own (bench/peers.py)."""
    note: str = ""


@dataclass(frozen=True)
class Headline:
    """One row of the README: which rows of a part it is made of, by their key, and its words, with {least} and {most} of their figures."""

    part: str
    key: str
    what: str
    result: str
    command: str
    of_ours: bool = False
    """The figures are ours, not how many times as much the peer takes."""


def document(parts: Sequence[Part], apart: Iterable[tuple[str, str]], records: Sequence[Record], picture: str) -> str:
    """The text of docs/BENCHMARKS.md."""
    by_part = {record.part: record for record in records}
    lines = ["# Benchmarks", ""]
    lines += [
        "Made by `python bench/all.py` from the records in `bench/records/`; do not edit. `--only PART` repeats one part, `--from-records` "
        "writes this again without running anything.",
        "",
        "Ours and a peer do the same work in one run, each in a process of its own or by turns. **Times are of the processor**, user and "
        "system, unless `s` alone stands there, which is the clock's. The last column is how many times as much the peer takes: above 1 "
        "ours takes less. Other work on the machine stretches the clock and, by shared caches, processor seconds a little; ratios least.",
        "",
        *heading(records),
        "",
    ]
    for part in parts:
        lines += [f"## {part.title}", ""]
        lines += section(part, by_part.get(part.name))
        if part.name == "accuracy" and part.name in by_part:
            lines += [f"![Accuracy of our networks beside their processor seconds]({picture})", ""]
    lines += ["## Not among these", "", "| run | why apart |", "|---|---|"]
    lines += [f"| `python bench/{name}` | {why} |" for name, why in apart]
    return "\n".join(lines) + "\n"


def heading(records: Sequence[Record]) -> list[str]:
    """What the records were made on: machines, how busy they were, and when."""
    if not records:
        return ["Nothing was measured yet."]
    lines = ["| parts | date | machine | others' share of all cores |", "|---|---|---|---|"]
    by_machine: dict[str, list[Record]] = {}
    for record in records:
        told = record.machine
        words = f"{told['cores']} cores, {told['processor']}, {told['memory']}, {told['system']}, Python {told['Python']}"
        by_machine.setdefault(words, []).append(record)
    for words, ones in by_machine.items():
        dates = sorted({one.date for one in ones})
        when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        shares = sorted(one.busy for one in ones)
        names = "all" if len(by_machine) == 1 else ", ".join(one.part for one in ones)
        lines.append(f"| {names} | {when} | {words} | {shares[0]:.0%} to {shares[-1]:.0%} |")
    minutes = sum(record.seconds for record in records) / 60
    lines += ["", f"All parts together took {minutes:.0f} minutes."]
    if any(record.busy >= BUSY for record in records):
        lines += [
            "",
            "**The cores were busy with other work meanwhile**, as the last column says: a quiet machine is quicker by the clock.",
        ]
    versions = sorted({f"{name} {number}" for record in records for name, number in record.versions.items()}, key=str.lower)
    return [*lines, "", f"Versions: {', '.join(versions)}."]


def section(part: Part, record: Record | None) -> list[str]:
    """A part's commands and rows."""
    commands = ", ".join(f"`python bench/{' '.join(words)}`" for words in part.commands)
    took = f"; {record.seconds:.0f} s, others used {record.busy:.0%} of the cores" if record else ""
    lines = [f"{commands}{took}.{f' {part.note}' if part.note else ''}", ""]
    if record is None:
        return [*lines, "Not run yet.", ""]
    lines += ["| work | measured in | ours | against | theirs | times |", "|---|---|---|---|---|---|"]
    return [*lines, *map(line, record.rows), ""]


def line(row: Row) -> str:
    """A row of a table."""
    if row.ours is None:
        return f"| {row.what} | | | {row.against} | not measured: {plain(row.note)} | |"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}" if row.ratio < 2 else f"{row.ratio:.1f}"
    theirs = "" if row.theirs is None else figure(row.theirs)
    return f"| {row.what} | {row.unit} | {figure(row.ours)} | {row.against} | {theirs} | {ratio} |"


def figure(value: float) -> str:
    """A number in three digits or so."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def plain(note: str) -> str:
    """A reason in one short line of a table, without paths of a machine."""
    words = re.sub(r"(?:[A-Za-z]:)?(?:[/\\][^\s'\",:;]+){2,}", "...", " ".join(note.split())).replace("|", "/")
    return words if len(words) <= LONGEST_NOTE else f"{words[:LONGEST_NOTE]}..."


def readme_table(scored: Iterable[tuple[str, str, str]], headlines: Iterable[Headline], records: Sequence[Record]) -> str:
    """The README's table: rows of accuracy as they are, then those of speed; a headline whose rows are not there is left out."""
    by_part = {record.part: record for record in records}
    lines = ["| what | result | command |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in scored)]
    for one in headlines:
        rows = [row for row in by_part[one.part].rows if row.key == one.key] if one.part in by_part else []
        values = sorted(value for row in rows if (value := row.ours if one.of_ours else row.ratio) is not None)
        if values:
            least, most = (f"{value:,.0f}" if value >= 100 else f"{value:.1f}" for value in (values[0], values[-1]))
            span = least if least == most else f"{least} to {most}"
            lines.append(f"| {one.what} | {one.result.format(span=span)} | `python bench/{one.command}` |")
    return "\n".join(lines)


def with_table(text: str, table: str) -> str:
    """The README with another table between its two marks. Raises ValueError where the marks are not there, once each and in order."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        raise ValueError(f"{README.name} lacks its marks {BEGIN} and {END}, once each and in this order; put them back")
    return f"{text[: text.index(BEGIN)]}{BEGIN}\n{table}\n{text[text.index(END) :]}"
