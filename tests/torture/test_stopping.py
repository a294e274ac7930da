"""A short run of the trials that `python start.py torture` makes in full, and proof that they can fail."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLANTED = """
import json, sys
from pathlib import Path
from tests.torture.cases import Case
from tests.torture.stopping import stop_everywhere

def begin(place):
    (place / "out.json").write_text("1")

def careless(place):
    (place / "out.json").write_text("2")

def forgetful(place):
    (place / "remains").write_text("2")
    (place / "remains").replace(place / "out.json")

def stubborn(place):
    assert not (place / "lock").exists()
    (place / "lock").touch()
    (place / "new").write_text("2")
    (place / "new").replace(place / "out.json")
    (place / "lock").unlink()

outcomes = [stop_everywhere(Case(work.__name__, begin, work, ("out.json",))) for work in (careless, forgetful, stubborn)]
print(json.dumps({one.name: one.faults for one in outcomes}))
"""


def run(*words):
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)


def test_careless_writers_are_found_out():
    done = run("-c", PLANTED)
    assert done.returncode == 0, done.stderr
    faults = json.loads(done.stdout)
    assert len(faults["careless"]) == 1 and "neither the older result nor the new one" in faults["careless"][0]
    assert faults["forgetful"] == []
    assert len(faults["stubborn"]) == 4 and all("done again, it ends with 1" in fault for fault in faults["stubborn"])


def test_stopped_work_keeps_the_older_result_and_ends_well_when_done_again():
    done = run("-m", "tests.torture.stopping", "prepare", "--most", "8")
    assert done.returncode == 0 and "stopped 8 times, 0 lost or wrong" in done.stdout, done.stdout + done.stderr[-2000:]
