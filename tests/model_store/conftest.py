"""Files that Keras 2 wrote, made once for all tests of models."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "helpers" / "keras2_files.py"


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """The folder of the files, and the outputs that Keras 2 gave."""
    folder = tmp_path_factory.mktemp("keras2")
    done = subprocess.run([sys.executable, str(SCRIPT), str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder, dict(np.load(folder / "outputs.npz"))
