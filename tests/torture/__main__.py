"""All trials of what is promised about faults, one after another: `python start.py torture`. It prints counts."""

from __future__ import annotations

import subprocess
import sys

KILLS = "50"
TRIALS = (
    ("work stopped before each of its file operations", ["-m", "tests.torture.stopping"]),
    (f"work killed at {KILLS} random times", ["-m", "tests.torture.stopping", "--kills", KILLS]),
    ("servers killed while jobs run, and two at one workspace", ["-m", "tests.torture.serving"]),
    ("damaged files", ["-m", "tests.torture.fuzz"]),
    ("disks, limits and other runs that get in the way", ["-m", "tests.torture.hindering"]),
)


def main() -> int:
    """Run every trial, whatever the others say; 1 when one of them found something lost or wrong."""
    codes = []
    for words, command in TRIALS:
        print(f"\n== {words}", flush=True)
        codes.append(subprocess.call([sys.executable, *command]))
    print("\nNothing was lost or wrong" if not any(codes) else "\nSomething was lost or wrong: see above")
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
