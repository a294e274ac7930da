"""The state of a run after its last epoch, so that a killed one goes on as if nothing had happened."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import ModelError
from core.files import replacing

LAST_FILE = "last.npz"


@dataclass(frozen=True)
class RunState:
    """How far a run is: finished epochs, the best one and its score, epochs since, and lowered learning rates."""

    epoch: int = 0
    best_epoch: int = 0
    best_value: float | None = None
    since_best: int = 0
    plateaus: int = 0
    seconds: float = 0.0


def save_last(folder: Path, state: RunState, settings: dict[str, Any], variables: Sequence[Any]) -> None:
    """Write state, settings and every variable (weights, random seeds, optimizer) in one step."""
    arrays = {f"v{i:05d}": np.asarray(_to_numpy(variable)) for i, variable in enumerate(variables)}
    about = json.dumps({"state": asdict(state), "settings": settings})
    with replacing(folder / LAST_FILE, suffix=".npz") as temporary:
        np.savez(temporary, about=np.array(about), **arrays)


def peek_last(folder: Path) -> tuple[RunState, dict[str, Any]] | None:
    """State and settings of the last finished epoch; None when no epoch was finished. Raises ModelError when broken."""
    path = folder / LAST_FILE
    if not path.is_file():
        return None
    try:
        with np.load(path) as saved:
            about = json.loads(str(saved["about"]))
        return RunState(**about["state"]), about["settings"]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise _broken(path, str(error)) from error


def load_last(folder: Path, variables: Sequence[Any]) -> None:
    """Put the saved values back into variables of the same run. Raises ModelError when they do not fit."""
    path = folder / LAST_FILE
    with np.load(path) as saved:
        values = [saved[name] for name in sorted(saved.files) if name != "about"]
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        raise _broken(path, "it belongs to another network or optimizer")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _to_numpy(variable: Any) -> Any:
    from keras import ops

    return ops.convert_to_numpy(variable)


def _broken(path: Path, why: str) -> ModelError:
    return ModelError(
        f"{path} cannot be used to go on ({why})", expected="the state of the same run", do="Start the run anew without resume"
    )
