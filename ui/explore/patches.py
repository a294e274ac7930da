"""The patch grid on the Explore page: a form that answers at once, the grid on one scene, and the patches as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from core.classes import ClassScheme
from core.datasets.datasets import Dataset
from core.datasets.pairs import Pair
from core.errors import GroundlineError
from core.patches import estimates
from core.patches.labelled import not_labelled
from core.patches.pair_files import export_patches
from core.patches.store import STORE_FILE, PatchStore
from core.plain import in_chart, in_markdown
from core.words import file_stem
from ui import frame, jobs_view, library, patch_form, state
from ui.allowed import changing, refuse_if_read_only
from ui.explore import counts as block_counts
from ui.explore.one_scene import choose_pair
from ui.kept import has, keep
from ui.viewer import tiles, viewer

_MOST_DRAWN = 5000
_MOST_DOWNLOAD_BYTES = 2**30  # the browser's download goes through the memory of the server


def patches(dataset: Dataset) -> None:
    """The grid and what it gives, and below it the way to take the patches home."""
    _grid(dataset)
    _take_home(dataset)


@st.fragment
def _grid(dataset: Dataset) -> None:
    """The form of the cut, what it gives in all, and the grid on one scene."""
    read = block_counts.of(dataset)
    with frame.errors() as reading:
        asked = patch_form.form(dataset, wide=True)
    if reading.failed:
        return
    without = not_labelled(dataset, asked.not_labelled, patch_size=asked.patch_size).ids
    grid = estimates.Grid(asked.patch_size, asked.stride_px, asked.min_labelled, asked.scale, asked.rim, without)
    result = estimates.patch_counts(read.scenes, grid)
    left, right = st.columns([2, 3], gap="large")
    with left:
        with st.container(horizontal=True):
            st.metric("Patches kept", f"{result.kept:,}", border=True)
            st.metric("Dropped", f"{result.dropped:,}", border=True, help="Too little of them is labelled.")
        st.plotly_chart(_chart(state.shown(dataset.scheme), result), key="explore_patch_chart")
        missing = [name for name, count in zip(dataset.scheme.names, result.with_class, strict=False) if count == 0]
        if missing and result.kept:
            st.warning(f"No kept patch shows {in_markdown(', '.join(missing))}.", icon=":material/warning:")
        if len(read.scenes) + len(read.failed) < read.pairs:
            st.caption(f"Counted in {len(read.scenes)} of {read.pairs:,} scenes, spread evenly over the list.")
    with right:
        pair = choose_pair(dataset)
        scene = next((scene for scene in read.scenes if scene.name == pair.name), None)
        cells = estimates.grid_cells(scene, grid) if scene is not None and _drawn(scene, grid) else []
        viewer.panes(
            [viewer.Pane("Patches of this scene", (tiles.image_layer(pair.image_path), *_mask_of(pair, dataset.scheme)))],
            key="explore_grid",
            opacity=0.35,
            grid=cells,
            height=430,
        )
        if scene is None:
            st.caption("This scene was not among those read.")
        elif cells:
            st.caption(f"{asked.patch_size} px patches every {asked.stride_px} px. Framed: kept. Red: dropped.")
        else:
            st.caption("Too many patches to be drawn." if _many(scene, grid) else "No whole patch lies in this scene.")


def _many(scene: estimates.SceneCounts, grid: estimates.Grid) -> int:
    return len(grid.starts(scene.height)) * len(grid.starts(scene.width))


def _drawn(scene: estimates.SceneCounts, grid: estimates.Grid) -> bool:
    return 0 < _many(scene, grid) <= _MOST_DRAWN


def _mask_of(pair: Pair, scheme: ClassScheme) -> tuple[tiles.Picture, ...]:
    try:
        return (tiles.mask_layer(pair, scheme),) if pair.mask is not None else ()
    except GroundlineError:  # a mask of another size; the findings say so
        return ()


def _chart(scheme: ClassScheme, result: estimates.PatchCounts) -> go.Figure:
    counts = [int(count) for count in np.broadcast_to(result.with_class, len(scheme))]
    figure = go.Figure(
        go.Bar(
            x=counts,
            y=[in_chart(name) for name in scheme.names],
            orientation="h",
            text=[f"{count:,}" for count in counts],
            textposition="auto",
            marker={"color": [scheme.hex(k) for k in range(len(scheme))], "line": {"width": 1, "color": "rgba(128,128,128,.5)"}},
            hovertemplate="%{y}: %{x:,} patches<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title="kept patches that show the class", rangemode="tozero")
    figure.update_layout(height=270, margin={"l": 8, "r": 8, "t": 8, "b": 8}, showlegend=False, uirevision="patches")
    return figure


# ---- the patches as files ----


def _take_home(dataset: Dataset) -> None:
    """Cut the patches in a job, and offer those that were cut as a zip of image and mask files."""
    with st.container(border=True):
        left, right = st.columns([3, 1], vertical_alignment="center")
        left.markdown(
            "**The patches as files** · cut and split with these settings, for training here or as images and masks to take home."
        )
        if right.button(
            "Cut the patches",
            icon=":material/grid_on:",
            key="explore_cut",
            width="stretch",
            **changing("Runs as a job: you can leave the page."),
        ):
            with frame.errors() as starting:
                jobs_view.start("prepare", patch_form.request(dataset))
            if not starting.failed:
                st.rerun()
        job = jobs_view.newest("prepare", keep=lambda job: Path(job.request["dataset"]) == dataset.root)
        if job is not None and job.status()["state"] not in ("finished", "stopped"):
            jobs_view.progress(job.folder, "explore_cutting")
        stores = [folder for folder in library.prepared() if _of(folder, dataset)]
        if stores:
            _download(stores)


def _of(folder: Path, dataset: Dataset) -> bool:
    try:
        return Path(library.patches(folder).record["dataset"]) == dataset.root
    except (GroundlineError, OSError):  # still being cut, or of an older version
        return False


def _download(stores: list[Path]) -> None:
    chosen, colours, action = st.columns([4, 2, 2], vertical_alignment="bottom")
    folder = chosen.selectbox(
        "Patches that were cut",
        stores,
        format_func=library.prepared_title,
        key="explore_store",
        help="Newest first.",
        persist_state="session",
    )
    kind = colours.segmented_control(
        "Masks as",
        ["Colours", "Ids"],
        default="Colours",
        required=True,
        key="explore_mask_files",
        help="Ids are 0, 1, 2 in the order of the classes; 255 is not labelled.",
        persist_state="session",
    )
    store = library.patches(folder)
    target = folder / f"patches-{kind.lower()}.zip"
    key = f"{target}|{(folder / STORE_FILE).stat().st_mtime_ns}"
    if not (has("patch zips", key) and target.is_file()):
        if not action.button(f"Zip {len(store):,} patches", icon=":material/folder_zip:", key="explore_zip", width="stretch", **changing()):
            return
        refuse_if_read_only()
        keep("patch zips", key, lambda tell: _zip(store, target, kind, tell), words="Writing patches")
        st.rerun()
    size = target.stat().st_size
    if size > _MOST_DOWNLOAD_BYTES:
        st.markdown(f"The zip has {size / 1e9:.1f} GB and lies at {in_markdown(target)}.")
        return
    action.download_button(
        f"Download {size / 1e6:.1f} MB",
        target.read_bytes,
        f"{file_stem(Path(store.record['dataset']).name, f'patches-{store.patch_size}px', kind.lower())}.zip",
        "application/zip",
        key="explore_zip_download",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
        help="train, validation and test, each with images and masks, and the classes.",
    )


def _zip(store: PatchStore, target: Path, kind: str, tell) -> Path:
    return export_patches(store, target, colour_masks=kind == "Colours", on_progress=tell)
