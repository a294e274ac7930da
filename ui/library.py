"""What there is to choose from: data sets, prepared patches, models, predictions. Lists are read from disk, never guessed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from core.data.datasets import Dataset, open_dataset
from core.data.patches import PatchStore
from core.learning.model_store import Model, list_models
from core.prediction.rasters import Prediction
from ui import state


@dataclass(frozen=True)
class SceneChoice:
    """One scene of a data set that can be predicted."""

    name: str
    image: Path
    mask: Path | None


def dataset(path: str | Path) -> Dataset:
    """Open a data set; opened again only when its folders changed. Raises DatasetError."""
    return _dataset(str(path), _stamp(Path(path)))


def datasets() -> list[Path]:
    """Data sets that can be chosen: the ones used before, then the sample."""
    found = [Path(entry) for entry in state.recent("dataset")]
    return found if not state.has_sample() or state.SAMPLE in found else [*found, state.SAMPLE]


def scenes_of(path: str | Path) -> list[SceneChoice]:
    """The images of a data set with their masks, those without a mask included."""
    opened = dataset(path)
    paired = [SceneChoice(pair.name, Path(pair.image_path), pair.mask_path and Path(pair.mask_path)) for pair in opened.pairs]
    return paired + [SceneChoice(single.name, Path(single), None) for single in opened.unpaired]


def prepared() -> list[Path]:
    """Folders of prepared patches in the workspace, newest first."""
    return _newest_first(state.workspace().prepared)


def patches(folder: str | Path) -> PatchStore:
    """Open prepared patches; opened again only when the folder changed."""
    return _patches(str(folder), _stamp(Path(folder)))


def models() -> list[Model]:
    """Models of the project and of the workspace."""
    return list_models([state.workspace().models])


def predictions() -> list[Path]:
    """Prediction folders of the workspace, newest first; the sample's and the selected one included."""
    chosen = state.selection().prediction
    found = [folder for folder in _newest_first(state.workspace().predictions) if (folder / "prediction.json").is_file()]
    others = [Path(entry) for entry in state.recent("prediction") if Path(entry) not in found]
    return found + others if chosen is None or chosen in found + others else [chosen, *found, *others]


def prediction(folder: str | Path) -> Prediction:
    """Open a prediction; opened again only when the folder changed."""
    return _prediction(str(folder), _stamp(Path(folder)))


def layers() -> list[Path]:
    """GeoPackages made in the workspace, newest first."""
    found = state.workspace().layers.rglob("*.gpkg")
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


@st.cache_resource(max_entries=16, show_spinner=False)
def _dataset(path: str, stamp: int) -> Dataset:
    return open_dataset(path)


@st.cache_resource(max_entries=16, show_spinner=False)
def _patches(folder: str, stamp: int) -> PatchStore:
    return PatchStore.open(folder)


@st.cache_resource(max_entries=16, show_spinner=False)
def _prediction(folder: str, stamp: int) -> Prediction:
    return Prediction.open(folder)


def _stamp(path: Path) -> int:
    """A number that changes when a file is added to, or removed from, the folder or one of its two levels below."""
    if not path.is_dir():
        return path.stat().st_mtime_ns if path.exists() else 0
    times = [path.stat().st_mtime_ns]
    for depth, (folder, names, _) in enumerate(_walk(path)):
        times += [os.stat(os.path.join(folder, name)).st_mtime_ns for name in names]
        if depth > 500:
            break
    return hash(tuple(times))


def _walk(path: Path):
    for folder, names, files in os.walk(path):
        if len(Path(folder).relative_to(path).parts) >= 2:
            names.clear()
        yield folder, sorted(names), files


def _newest_first(folder: Path) -> list[Path]:
    found = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)
