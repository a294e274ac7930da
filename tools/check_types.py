"""Count mypy's errors in each folder of core/ and hold them below a ceiling that may only fall.

    python tools/check_types.py

The ceilings stand in types_ceiling.json beside this file; a folder that is not named there has none left. More errors than the
ceiling are listed and make the exit code 1; fewer ask for the ceiling to be lowered.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
CEILING = Path(__file__).with_name("types_ceiling.json")
BESIDE = "core"
"""The name under which files that lie in no folder of core/ are counted."""


def by_folder(lines: Iterable[str]) -> dict[str, list[str]]:
    """The lines of mypy that tell of an error, under the folder of core/ that each lies in."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        place, error, _ = line.partition(": error: ")
        if error:
            parts = place.replace("\\", "/").split("/")
            found[parts[1] if len(parts) > 2 else BESIDE].append(line)
    return dict(found)


def verdict(found: Mapping[str, list[str]], ceiling: Mapping[str, int]) -> tuple[list[str], bool]:
    """Lines to print, and True where no folder has more errors than its ceiling."""
    said, held = [], True
    for folder in sorted({*found, *ceiling}):
        errors, limit = found.get(folder, []), ceiling.get(folder, 0)
        if len(errors) > limit:
            held = False
            said += [*errors, f"{folder}: {len(errors)} type errors, at most {limit} are allowed: mend those that are new."]
        elif len(errors) < limit:
            said.append(f"{folder}: {len(errors)} type errors, {limit} are allowed: lower its ceiling in {CEILING.name}.")
    return said, held


def main() -> int:
    """Run mypy over core/, print what is above or below its ceiling, and return the exit code."""
    ran = subprocess.run([sys.executable, "-m", "mypy", "--no-error-summary"], cwd=PROJECT, capture_output=True, text=True)
    found = by_folder(ran.stdout.splitlines())
    # 1 is mypy's word for errors in the code; with 2 it could not look at the code at all.
    if ran.returncode > 1 or (ran.returncode and not found):
        print(ran.stdout + ran.stderr, file=sys.stderr)
        return 1
    said, held = verdict(found, json.loads(CEILING.read_text(encoding="utf-8")))
    count = sum(map(len, found.values()))
    print("\n".join([*said, f"{count} type errors in core/, " + ("none above its ceiling." if held else "some above their ceiling.")]))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
