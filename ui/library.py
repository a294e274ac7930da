"""What there is to choose from: data sets, prepared patches, models, predictions. Lists are read from disk, never guessed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import streamlit as st

from core.datasets.datasets import Dataset, open_dataset
from core.datasets.pairs import Pair
from core.errors import GroundlineError, ModelError
from core.evaluation.result import EVALUATION_FILE, Evaluation
from core.jobs import jobs
from core.model_store.cards import CARD_FILE, ModelCard
from core.model_store.models import Model, list_models, sort_models
from core.networks import architectures
from core.patches.joined import Prepared, alike, open_patches
from core.patches.store import STORE_FILE, PatchStore
from core.prediction.folder.rasters import Prediction, is_measured, prediction_folders, read_made, sort_predictions
from core.reading.readable import Unreadable, sorted_out
from core.scenes.image_names import place_name
from core.workspace import MODELS
from ui import state


@dataclass(frozen=True)
class SceneChoice:
    """One scene of a data set that can be predicted."""

    name: str
    image: Path
    pair: Pair | None


def dataset(path: str | Path) -> Dataset:
    """Open a data set; opened again only when its folders changed. Raises DatasetError."""
    return _dataset(str(path), stamp(Path(path)))


def datasets() -> list[Path]:
    """Data sets that can be chosen: the ones used before, then the sample."""
    found = [Path(entry) for entry in state.recent("dataset")]
    return found if not state.has_sample() or state.SAMPLE in found else [*found, state.SAMPLE]


def scenes_of(path: str | Path) -> list[SceneChoice]:
    """The images of a data set with their masks, those without a mask included."""
    opened = dataset(path)
    paired = [SceneChoice(pair.name, Path(pair.image_path), pair) for pair in opened.pairs]
    return paired + [SceneChoice(single.stem, Path(single), None) for single in opened.images_alone]


def largest(scenes: list[SceneChoice]) -> int:
    """Position of the scene with the largest file: in a mixed folder that is the whole scene, not a cutting."""
    return max(range(len(scenes)), key=lambda number: scenes[number].image.stat().st_size, default=0)


def dataset_title(path: Path) -> str:
    """What a data set is called on the pages."""
    return "Sample town" if path == state.SAMPLE else path.name


def prepared() -> list[Path]:
    """Folders of prepared patches in the workspace that can be opened, newest first."""
    return sort_prepared()[0]


def sort_prepared() -> tuple[list[Path], list[Unreadable]]:
    """Folders of prepared patches, newest first, and those that cannot be opened with their reasons."""
    found, bad = sorted_out(_newest_first(state.workspace().prepared), patches)
    return [store.folder for store in found], bad


def prepared_title(folder: str | Path) -> str:
    """What prepared patches are called on the pages: data set, size, split and when."""
    folder = Path(folder)
    try:
        store = patches(folder)
    except (GroundlineError, OSError):  # deleted, or of an older version: the folder's name still says which
        return folder.name
    when = datetime.fromtimestamp((folder / STORE_FILE).stat().st_mtime)
    how = {"group": "by tile", "block": "by blocks", "random": "by patch"}.get(store.split_info["how"], store.split_info["how"])
    size = f"{store.patch_size} px" + (f" at scale {store.scale:g}" if store.scale != 1 else "")
    return f"{dataset_title(Path(store.record['dataset']))} · {size} · {how} · {when:%d %b %H:%M}"


def patches(folder: str | Path) -> PatchStore:
    """Open prepared patches; opened again only when the folder changed."""
    return _patches(str(folder), stamp(Path(folder)))


def prepared_labels(folders: Iterable[Path]) -> dict[Path, str]:
    """Titles of prepared patches, no two alike: of two equal entries a list box gives the first, whichever was chosen."""
    labels = {folder: prepared_title(folder) for folder in folders}
    return _told_apart(labels)


def _told_apart(labels: dict[Path, str]) -> dict[Path, str]:
    """Labels of folders, with a number behind those that several share: a folder's name would say no more to people."""
    known, seen = Counter(labels.values()), Counter[str]()
    apart = {}
    for folder in sorted(labels):
        label = labels[folder]
        seen[label] += 1
        apart[folder] = label if known[label] == 1 else f"{label} ({seen[label]})"
    return {folder: apart[folder] for folder in labels}


def together(prepared: str | Path, also: Iterable[str | Path] = ()) -> Prepared:
    """Prepared patches, and others that are trained on besides, as one. Raises DatasetError where they do not go together."""
    folders = tuple(str(one) for one in (prepared, *also))
    return _together(folders, tuple(stamp(Path(one)) for one in folders)) if len(folders) > 1 else patches(prepared)


def go_together(folder: str | Path, other: str | Path) -> bool:
    """Whether both are there and can be trained on together."""
    try:
        return alike(patches(folder), patches(other))
    except (GroundlineError, OSError):  # still being cut, or of an older version
        return False


def models() -> list[Model]:
    """Models of the project and of the workspace that can be opened."""
    return list_models([state.workspace().models])


def broken(kind: str) -> list[Unreadable]:
    """What of the workspace cannot be opened, with its reasons.

    `kind`: "models", "prepared", "predictions", "evaluations", or "runs" for records of jobs.
    """
    if kind == "models":
        return sort_models([state.workspace().models])[1]
    if kind == "prepared":
        return sort_prepared()[1]
    if kind == "predictions":
        return sort_predictions(_found_predictions())[1]
    if kind == "evaluations":
        return sort_evaluations()[1]
    return [Unreadable(job.folder, job.broken) for job in jobs.list_jobs(state.workspace()) if job.broken]


def model_title(name: str) -> str:
    """What a model of the selection is called on the pages."""
    folder = Path(name) if Path(name).is_dir() else MODELS / name
    try:
        return ModelCard.load(folder).name
    except ModelError:  # a single weights file, or a folder that was deleted
        return Path(name).name


def model_key(model: Model) -> str:
    """How a model is named in the selection: its name when it ships with the project, its folder otherwise."""
    folder = Path(model.folder)
    return folder.name if folder.parent == MODELS else str(folder)


def model_titles(models: Mapping[str, Model]) -> dict[str, str]:
    """The models' names by their keys; those that share one are told apart by when they were made."""
    counts = Counter(model.card.name for model in models.values())
    labels = {
        Path(model.folder): model.card.name
        + (f" · {datetime.fromtimestamp((model.folder / CARD_FILE).stat().st_mtime):%d %b %H:%M}" if counts[model.card.name] > 1 else "")
        for model in models.values()
    }
    apart = _told_apart(labels)
    return {key: apart[Path(model.folder)] for key, model in models.items()}


_FOREIGN = {"onnx": "ONNX network", "savedmodel": "SavedModel"}


def network_title(card: ModelCard) -> str:
    """The network of a model in words: `U-Net · efficientnet-lite0`."""
    titles = {info.name: info.title for info in architectures()}
    title = titles.get(card.architecture) or _FOREIGN.get(card.architecture, "Keras file")
    return f"{title} · {card.encoder}" if card.encoder else title


def predictions() -> list[Path]:
    """Prediction folders of the workspace that can be opened, newest first; the sample's and the selected one included."""
    return sorted_out(_found_predictions(), _openable)[0]


def _found_predictions() -> list[Path]:
    chosen = state.selection().prediction
    found = prediction_folders(state.workspace())
    others = [Path(entry) for entry in state.recent("prediction") if Path(entry) not in found]
    every = found + others if chosen is None or chosen in found + others else [chosen, *found, *others]
    return [folder for folder in every if not is_measured(folder)]


def sort_evaluations() -> tuple[list[Path], list[Unreadable]]:
    """Folders of the workspace's evaluations, newest first, and those that cannot be read."""
    files = state.workspace().evaluations.glob(f"[!.]*/{EVALUATION_FILE}")
    newest = sorted(files, key=lambda path: path.lstat().st_mtime_ns, reverse=True)

    def readable(folder: Path) -> Path:
        evaluation(folder)
        return folder

    return sorted_out([path.parent for path in newest], readable)


def evaluation(folder: Path) -> Evaluation:
    """What an evaluation found; read again only when it was written again. Raises InputError and OSError."""
    return _evaluation(str(folder), (folder / EVALUATION_FILE).stat().st_mtime_ns)


@st.cache_resource(max_entries=32, show_spinner=False)
def _evaluation(folder: str, stamp: int) -> Evaluation:
    return Evaluation.load(folder)


def _openable(folder: Path) -> Path:
    """The folder of a prediction, once that was opened."""
    return prediction(folder).folder


def prediction(folder: str | Path) -> Prediction:
    """Open a prediction; opened again only when the folder changed."""
    return _prediction(str(folder), stamp(Path(folder)))


def provenance(folder: str | Path) -> dict:
    """What a prediction says about how it was made. Raises OSError and ValueError."""
    return read_made(folder)


def prediction_title(folder: Path) -> str:
    """What a prediction is called on the pages and in file names: its scene and its model."""
    try:
        made = provenance(folder)
    except (OSError, ValueError):  # being written or deleted at this moment: its folder's name will do
        return folder.name
    name = place_name(Path(made["scene"]) if made.get("scene") else folder)
    return " · ".join(part for part in (name, made["model"]) if part)


def prediction_labels(folders: Iterable[Path]) -> dict[Path, str]:
    """Titles with the time, no two alike: of two equal entries a list box gives the first, whichever was chosen."""
    labels = {folder: f"{prediction_title(folder)} · {datetime.fromtimestamp(folder.stat().st_mtime):%d %b %H:%M}" for folder in folders}
    return _told_apart(labels)


def pixels_text(width_height: tuple[int, int]) -> str:
    """ "2,304 × 2,048" of (width, height), the order that pages and GIS programs tell sizes in."""
    return f"{width_height[0]:,} × {width_height[1]:,}"


def layers() -> list[Path]:
    """GeoPackages made in the workspace, newest first."""
    found = state.workspace().layers.rglob("*.gpkg")
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def stamp(path: Path) -> int:
    """A number that changes when a file is added to, or removed from, the folder or one of its two levels below."""
    if not path.is_dir():
        return path.stat().st_mtime_ns if path.exists() else 0
    times = [path.stat().st_mtime_ns]
    for depth, (folder, names, _) in enumerate(_walk(path)):
        times += [os.stat(os.path.join(folder, name)).st_mtime_ns for name in names]
        if depth > 500:
            break
    return hash(tuple(times))


@st.cache_resource(max_entries=16, show_spinner=False)
def _dataset(path: str, stamp: int) -> Dataset:
    return open_dataset(path)


@st.cache_resource(max_entries=128, show_spinner=False)
def _patches(folder: str, stamp: int) -> PatchStore:
    return PatchStore.open(folder)


@st.cache_resource(max_entries=4, show_spinner="Comparing the ground of the patches")
def _together(folders: tuple[str, ...], stamps: tuple[int, ...]) -> Prepared:
    return open_patches(folders[0], folders[1:])


@st.cache_resource(max_entries=512, show_spinner=False)
def _prediction(folder: str, stamp: int) -> Prediction:
    return Prediction.open(folder)


def _walk(path: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    for folder, names, files in os.walk(path):
        if len(Path(folder).relative_to(path).parts) >= 2:
            names.clear()
        yield folder, sorted(names), files


def _newest_first(folder: Path) -> list[Path]:
    found = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)
