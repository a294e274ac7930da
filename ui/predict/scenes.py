"""Which scene the Predict page works on: of a data set, by its path, or sent by the browser; whole, a region of it, or many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from core.datasets.datasets import Dataset
from core.datasets.mosaics import Mosaic, find_mosaics
from core.datasets.pairs import Pair
from core.errors import GroundlineError
from core.plain import in_markdown
from core.prediction.batch import LIST_SUFFIX, find_scenes
from core.scenes.image_names import place_name
from core.scenes.scene import Scene, Window
from ui import library, scene_source, state
from ui.input import KEEP
from ui.kept import has, keep
from ui.viewer import tiles, viewer

_MOST_COMPARED = 300  # images whose edges are compared without being asked
_REGION = "gl_predict_region"
_CORNERS = ("row", "col", "height", "width")


@dataclass(frozen=True)
class Choice:
    """What is to be predicted: one scene, or many of them one after the other. `name` is what people call it.

    `classes` are those of the data set that it belongs to.
    """

    name: str
    scene: Path | None = None
    many: Path | tuple[Path, ...] | None = None
    names: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


def choose() -> Choice | None:
    """The scene or scenes to predict; None while nothing is chosen. Raises SceneError."""
    source, path = scene_source.choose(
        "predict",
        help="An image of a data set, any image or folder on this machine, or one that you send.",
        placeholder="~/scene.tif or https://…",
        path_help="An image, or a folder: of chips that continue each other, or of scenes to predict one after the other.",
    )
    if source == scene_source.DATA:
        return _of_dataset()
    if path is None:
        return None
    return _of_path(path) if source == scene_source.PATH else Choice(path.stem, path)


def fill(path: str) -> None:
    """Name a scene in the form as if its path had been typed; before the form is drawn."""
    scene_source.fill("predict", path)


def describe(path: Path) -> Scene:
    """One line on the scene: size, bands, ground sample distance. Raises SceneError when it is no image."""
    return scene_source.describe(path, unplaced="results are")


def region(path: Path, scene: Scene) -> Window | None:
    """The part to predict, drawn on the scene or typed; None for the whole."""
    hint = "Predicts a part; the network still sees the pixels around it."
    if not st.toggle("Only a region", key="predict_part", help=hint, **KEEP):
        return None
    fields = {name: f"predict_region_{name}" for name in _CORNERS}

    def take(found: Sequence[int] | None) -> None:
        window = scene.window if found is None else Window(*found).intersect(scene.window)
        for name, field in fields.items():
            st.session_state[field] = getattr(window if window.pixels else scene.window, name)

    key = f"{path}-{scene.digest}"
    if st.session_state.get(_REGION) != key or any(field not in st.session_state for field in fields.values()):
        st.session_state[_REGION] = key
        take(None)
    chosen = Window(*(int(st.session_state[field]) for field in fields.values())).intersect(scene.window)
    shown = [viewer.Pane("Press “Draw a region” and drag over the image", (tiles.image_layer(scene),))]
    told = None if chosen == scene.window else tuple(getattr(chosen, name) for name in _CORNERS)
    viewer.panes(shown, key="predict_region_viewer", height=300, region=told, on_region=take)
    limits = {"row": (0, scene.height - 1), "col": (0, scene.width - 1), "height": (1, scene.height), "width": (1, scene.width)}
    words = {"row": "First row", "col": "First column", "height": "Height, px", "width": "Width, px"}
    for column, (name, field) in zip(st.columns(4), fields.items(), strict=True):
        column.number_input(words[name], *limits[name], key=field, help="Counted in pixels from the upper left corner.", **KEEP)
    return None if told is None else chosen


def truth_of(path: Path | None) -> Pair | None:
    """The pair of a known data set whose image is this scene, or the mosaic of pairs that this folder makes."""
    wanted = None if path is None else path.resolve()
    for folder in library.datasets() if wanted is not None else ():
        try:
            dataset = library.dataset(folder)
        except (GroundlineError, OSError):  # a data set of yesterday may be gone; the prediction is still worth showing
            continue
        inside = [pair for pair in dataset.pairs if wanted in (Path(pair.image_path).resolve(), Path(pair.image_path).resolve().parent)]
        if not inside:
            continue
        if wanted == Path(inside[0].image_path).resolve():
            return inside[0]
        for mosaic in _mosaics(dataset):
            if mosaic.pair().image_path.resolve() == wanted and len(mosaic.cells) == len(inside):
                return mosaic.pair()
    return None


def _of_dataset() -> Choice | None:
    left, right = st.columns(2)
    folder = scene_source.data_set("predict", left, none_open="No data set is open. Open one on Home, or give the path of an image.")
    if folder is None:
        return None
    scenes, classes = library.scenes_of(folder), library.dataset(folder).scheme.names
    choices = [Choice(one.name, one.image, names=(one.name,), classes=classes) for one in scenes]
    whole = [
        Choice(f"{mosaic.group}, all {len(mosaic.cells)} images as one", mosaic.pair().image_path, names=mosaic.names, classes=classes)
        for mosaic in _mosaics(library.dataset(folder))
        if _makes_its_folder(mosaic, scenes)
    ]
    every = [Choice(f"All {len(scenes)} images, one after the other", many=tuple(one.image for one in scenes))] if len(scenes) > 1 else []
    options = [*whole, *choices, *every]
    chosen = state.selection().scene
    start = next((number for number, choice in enumerate(options) if choice.scene and choice.scene == chosen), None)
    if start is None:
        start = 0 if whole else library.largest(scenes)
    return right.selectbox(
        "Image",
        options,
        index=start,
        format_func=lambda choice: choice.name,
        key=f"predict_scene_{folder}",
        help="Images that continue each other are offered as one scene as well.",
    )


def _mosaics(dataset: Dataset) -> tuple[Mosaic, ...]:
    if len(dataset.pairs) > _MOST_COMPARED and not has("mosaics", dataset.digest):
        return ()
    return keep("mosaics", dataset.digest, lambda tell: tuple(find_mosaics(dataset, on_progress=tell)), words="Comparing edges")


def _makes_its_folder(mosaic: Mosaic, scenes: Sequence[library.SceneChoice]) -> bool:
    """Whether a mosaic is all that its folder holds: only then does the folder's path name it."""
    folder = mosaic.pair().image_path
    return sum(Path(one.image).parent == folder for one in scenes) == len(mosaic.cells)


def _of_path(path: Path) -> Choice:
    if path.suffix.lower() == LIST_SUFFIX:
        return Choice(path.name, many=tuple(find_scenes(path)))
    if not path.is_dir():
        return Choice(path.stem, path)
    how = st.radio(
        "The folder holds",
        ["one", "many"],
        horizontal=True,
        key="predict_folder",
        format_func={"one": "chips of one scene", "many": "scenes, to predict one after the other"}.get,
        help="Chips are put together by their edges or their coordinates.",
        **KEEP,
    )
    if how == "one":
        return Choice(place_name(path), path)
    found = find_scenes(path)
    st.caption(f"{len(found)} scenes: {in_markdown(', '.join(file.name for file in found[:6]))}{' …' if len(found) > 6 else ''}")
    return Choice(f"{path.name} ({len(found)} scenes)", many=path)
