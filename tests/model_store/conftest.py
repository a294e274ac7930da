"""Files that Keras 2 wrote, made once for all tests of models."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

SCRIPT = Path(__file__).resolve().parents[1] / "helpers" / "keras2_files.py"


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """The folder of the files, and the outputs that Keras 2 gave. The first process that asks makes them for the others."""
    here = tmp_path_factory.getbasetemp()
    shared = here.parent if os.environ.get("PYTEST_XDIST_WORKER") else here
    folder = shared / "keras2"
    with FileLock(shared / "keras2.lock"):
        if not folder.exists():
            being_made = tmp_path_factory.mktemp("keras2") / "files"
            being_made.mkdir()
            done = subprocess.run([sys.executable, str(SCRIPT), str(being_made)], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-2000:]
            being_made.rename(folder)
    return folder, dict(np.load(folder / "outputs.npz"))
