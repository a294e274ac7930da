"""Numbers as people read them: areas, lengths, sizes, durations, counts and lists."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

DASH = "–"
"""What stands where a number is not known."""

MIB = 2**20
"""Bytes in a mebibyte."""

UNITS: dict[str, dict[str, tuple[tuple[float, float, int, str], ...]]] = {
    "area": {"m": ((1e6, 1e6, 2, "km²"), (1e4, 1e4, 2, "ha"), (100, 1, 0, "m²"), (0, 1, 1, "m²")), "px": ((0, 1, 0, "px"),)},
    "length": {"m": ((1000, 1000, 2, "km"), (100, 1, 0, "m"), (0, 1, 1, "m")), "px": ((100, 1, 0, "px"), (0, 1, 1, "px"))},
}
"""Rows of (from, divisor, decimals, unit), the first that fits counts; the map's script is handed the same table."""


def area_words(area: float, units: str, *, like: float | None = None) -> str:
    """An area in the unit that reads best for it, or for the area `like`: m², ha or km²; px where metres are not known (units "px")."""
    return _in_unit("area", area, units, area if like is None else like)


def length_words(length: float, units: str) -> str:
    """A length in the unit that reads best: m or km; px where metres are not known (units "px")."""
    return _in_unit("length", length, units, length)


def _in_unit(what: str, value: float, units: str, like: float) -> str:
    rows = UNITS[what]["m" if units == "m" else "px"]
    _, divisor, decimals, unit = next((row for row in rows if like >= row[0]), rows[-1])
    return f"{value / divisor:,.{decimals}f} {unit}"


def size_words(size: float) -> str:
    """Bytes of files, in the decimal units of disks: kB, MB or GB."""
    if size >= 1e9:
        return f"{size / 1e9:.2f} GB"
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"


def memory_words(mib: float | None) -> str:
    """Mebibytes of memory, in the binary units that memory is sold and limited in: MiB or GiB."""
    if mib is None or not math.isfinite(mib):
        return DASH
    return f"{mib / 1024:.1f} GiB" if mib >= 1000 else f"{mib:.0f} MiB" if mib >= 10 else f"{mib:.1f} MiB"


def duration_words(seconds: float | None) -> str:
    """Seconds as a person says them: s, min or h."""
    if seconds is None or not math.isfinite(seconds):
        return DASH
    seconds = max(1, round(seconds))
    if seconds < 90:
        return f"{seconds} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def number_words(value: float | None) -> str:
    """A score with three decimals."""
    return DASH if value is None or math.isnan(value) else f"{value:.3f}"


def share_words(share: float, decimals: int = 0) -> str:
    """A share of 0 to 1 as per cent: "12 %", "12.5 %"."""
    return DASH if math.isnan(share) else f"{100 * share:.{decimals}f} %"


def counted(number: int, thing: str, things: str | None = None) -> str:
    """ "1 image", "3 images"."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def listed(names: Sequence[str], most: int = 4) -> str:
    """ "a, b and c", or the first few and how many more."""
    names = list(names)
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def sentence(text: object) -> str:
    """A text as it begins on a page: with a capital, unless its first word is no plain one, as names of files, numbers and quotes are."""
    words = str(text)
    first = words.split(" ", 1)[0]
    return words[:1].upper() + words[1:] if first.isalpha() else words


def file_stem(*parts: str) -> str:
    """A file name without its ending that says what it is and of which day: town-sample-town_filtered_2026-11-30.

    Letters, digits and _ stay; whatever else stands between them becomes one -. Empty parts are left out.
    """
    plain = ["-".join("".join(letter if letter.isalnum() or letter == "_" else " " for letter in part).split()) for part in parts]
    return "_".join([*filter(None, plain), time.strftime("%Y-%m-%d")])
