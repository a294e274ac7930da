"""What an epoch leaves: the network as a file, and the state of the run, so that a killed one goes on as if nothing had happened."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.claims import scratch
from core.errors import ModelError
from core.files import replacing

if TYPE_CHECKING:
    import keras

LAST_FILE = "last.npz"
_WEIGHTS = "model.weights.h5"


@dataclass(frozen=True)
class RunState:
    """How far a run is: finished epochs, the best one and its score, epochs since, and lowered learning rates."""

    epoch: int = 0
    best_epoch: int = 0
    best_value: float | None = None
    since_best: int = 0
    plateaus: int = 0
    seconds: float = 0.0


class NetworkFile:
    """Writes a network as the `.keras` file that Keras would write, epoch after epoch, in a part of the time.

    Of such a file only the weights change: Keras writes it once, with each variable's number for its values, which tells where
    in the file the variable lies.
    """

    def __init__(self, network: keras.Model):
        self.network, self.variables = network, list(network.weights)
        before = [_to_numpy(variable) for variable in self.variables]
        with scratch() as folder:
            path = folder / "network.keras"
            try:
                for number, variable in enumerate(self.variables):
                    variable.assign(np.full(variable.shape, number + 1, variable.dtype))
                network.save(path)
            finally:
                for variable, value in zip(self.variables, before, strict=True):
                    variable.assign(value)
            with zipfile.ZipFile(path) as archive:
                self._rest = {name: archive.read(name) for name in archive.namelist() if name != _WEIGHTS}
                self._weights = bytearray(archive.read(_WEIGHTS))
        self._places = _places(self._weights)
        self._whole = sorted(self._places) == list(range(1, 1 + len(self.variables)))

    def write(self, path: Path) -> None:
        """Write the network as it is now to `path`; one whose file holds more than its weights is left to Keras."""
        if not self._whole:
            self.network.save(path)
            return
        for number, variable in enumerate(self.variables, start=1):
            value = np.ascontiguousarray(_to_numpy(variable))
            start = self._places[number]
            self._weights[start : start + value.nbytes] = value.tobytes()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in self._rest.items():
                archive.writestr(name, content)
            archive.writestr(_WEIGHTS, bytes(self._weights))


def _places(weights: bytearray) -> dict[int, int]:
    """Where the values of each data set of an HDF5 file begin, by its first value."""
    import h5py

    found: dict[int, int] = {}

    def look(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.size:
            found[int(np.ravel(item[()])[0])] = item.id.get_offset()

    with h5py.File(io.BytesIO(bytes(weights)), "r") as file:
        file.visititems(look)
    return found


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
