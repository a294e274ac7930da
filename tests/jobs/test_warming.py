"""What is compiled beforehand is what a first prediction with its polygons, and a first correction of them, runs, and it is done once."""

import json
import subprocess
import sys
from pathlib import Path

from core.jobs import warming, worker

ROOT = Path(__file__).resolve().parents[2]
# What the code of ours has compiled, or taken from the disk, in a process of its own, where nothing else has.
KNOWN = """
import json, sys
from numba.core.registry import CPUDispatcher
from core.jobs import warming

def known():
    modules = [module for name, module in sys.modules.items() if name.startswith("core.")]
    found = {value for module in modules for value in vars(module).values() if isinstance(value, CPUDispatcher)}
    return {(one.py_func.__module__, one.py_func.__name__, str(signature)) for one in found for signature in one.signatures}
"""
# What the sample runs after `work()` that was not run before.
MISSED = (
    KNOWN
    + """
from core.vector.editing.applying import apply
from core.vector.editing.log import Corrections
from core.prediction.folder.rasters import Prediction
from core.vector.layer import read_layer
from core.verbs import registry

warming.work()
before = known()
made = registry.run("demo", {"out": sys.argv[1]})
written = next(one["path"] for one in made["files"] if one["path"].endswith(".gpkg"))
opened = Prediction.open(made["predict"]["folder"])
layer = read_layer(written, scheme=opened.scheme, geo=opened.geo)
apply(layer, Corrections().delete(layer.frame["id"].tolist()[:1]))
print(json.dumps([len(before), sorted(known() - before)]))
"""
)


def test_the_sample_and_its_correction_compile_nothing_more(tmp_path):
    done = subprocess.run([sys.executable, "-c", MISSED, str(tmp_path / "out")], cwd=ROOT, capture_output=True, text=True, check=True)
    count, missed = json.loads(done.stdout.splitlines()[-1])
    assert count > 20 and missed == []


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(warming, "work", lambda: done.append(1))
    monkeypatch.setattr(worker, "be_nice", lambda: None)
    monkeypatch.setattr(warming, "cache_folder", lambda: tmp_path / "kernels")
    assert warming.main() == 0 and warming.main() == 0
    assert done == [1]
    (tmp_path / "kernels" / "warm").unlink()
    with warming.FileLock(tmp_path / "kernels" / "warming.lock"):  # another process is at it
        assert warming.main() == 0
    assert done == [1]


def test_the_other_process_brings_what_the_first_would_compile_late():
    """The part that it does is one that the sample needs: on an empty cache it leaves code of tracing, merging, checking and strokes."""
    code = f"{KNOWN}\nwarming.outlines()\nprint(json.dumps([name for _, name, _ in known()]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    names = json.loads(done.stdout.splitlines()[-1])
    assert {"trace_band", "merge_small", "join_arcs", "proven_valid", "measure_polygons", "pool"} <= set(names)
    assert "_drop_points" not in names  # that is the first one's: done by both it would be done twice
