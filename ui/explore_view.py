"""The sections of the Explore page: numbers, thumbnails, one scene, patch grid, findings, mosaics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.classes import ClassScheme
from core.data.datasets import Dataset, Pair
from core.errors import InputError
from core.scene import display_rgb
from ui import block_counts, charts, frame, library, state, tiles
from ui.scene_view import size_text

_PER_PAGE = 24
_PER_ROW = 6
_THUMB_PX = 300
_SAMPLES = {
    "town": "Sample town",
    "chips12": "Sample: 12-band satellite chips",
    "landcover": "Sample: land cover, one large scene",
    "landslides": "Sample: landslides in HDF5",
    "tiles1024": "Sample: 1024 px tiles",
}


def choose_dataset() -> Path | None:
    """The data set in view: one used before, a sample, or a folder by its path; the choice holds for all pages."""
    current = state.selection().dataset
    known = library.datasets()
    options = list(dict.fromkeys([*([current] if current and current not in known else []), *known, *samples()]))
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    with right.popover("Open a folder", icon=":material/folder_open:", width="stretch"):
        _open_by_path()
    if current is None:
        return None
    chosen = left.selectbox(
        "Data set",
        options,
        index=options.index(current),
        format_func=title,
        help="Data sets that were opened before, newest first, then the samples.",
    )
    state.select(dataset=chosen)
    return chosen


def samples() -> list[Path]:
    """The small data sets that ship with Groundline, the town first."""
    folder = state.SAMPLE.parent
    found = sorted(path for path in folder.iterdir() if (path / "classes.json").is_file()) if folder.is_dir() else []
    return sorted(found, key=lambda path: path != state.SAMPLE)


def title(path: Path) -> str:
    """What a data set is called in the list."""
    return _SAMPLES.get(path.name, path.name) if path.parent == state.SAMPLE.parent else library.dataset_title(path)


def offer_samples() -> None:
    """A button for each sample but the town, which the empty state itself offers."""
    others = [path for path in samples() if path != state.SAMPLE]
    if not others:
        return
    st.caption("Or look at one of the other samples, each of a different kind:")
    with st.container(horizontal=True):
        for path in others:
            if st.button(title(path), key=f"explore_sample_{path.name}", icon=":material/image:"):
                state.select(dataset=path)
                st.rerun()


def _open_by_path() -> None:
    path = st.text_input(
        "Folder", key="explore_path", placeholder="/data/city", help="A folder on the machine that runs Groundline. Nothing is copied."
    )
    if st.button("Open", key="explore_open", type="primary", icon=":material/arrow_forward:"):
        with frame.errors() as outcome:
            if not path.strip():
                raise InputError("no folder typed", expected="the path of a folder with images and masks", do="Type one and press Open")
            library.dataset(path.strip().strip('"'))
        if not outcome.failed:
            state.select(dataset=path.strip().strip('"'))
            st.rerun()


# ---- overview ----


def overview(dataset: Dataset) -> None:
    """Numbers, class shares in all and by tile, and the table of scenes."""
    read = block_counts.of(dataset)
    counts = read.counts
    labelled = counts[:-1].sum()
    sizes = sorted({(scene.width, scene.height) for scene in read.scenes})
    with st.container(horizontal=True):
        st.metric("Scenes with mask", f"{len(dataset.pairs):,}", border=True, help="Images that have a mask of their own.")
        st.metric(
            "Tiles or places", f"{len(dataset.groups):,}", border=True, help="Scenes of one tile belong together and are never split apart."
        )
        st.metric("Pixels", _count(int(counts.sum())), border=True, help="Of all scenes that were read.")
        st.metric(
            "Labelled",
            f"{100 * labelled / max(1, counts.sum()):.1f} %",
            border=True,
            help="Pixels that belong to a class; the rest is ignored.",
        )
        st.metric("Smallest", size_text(sizes[0]) if sizes else "–", border=True, help="Width x height in pixels.")
        st.metric("Largest", size_text(sizes[-1]) if sizes else "–", border=True, help="Width x height in pixels.")
    if len(read.scenes) + len(read.failed) < read.pairs:
        st.caption(f"Class numbers come from {len(read.scenes)} of {read.pairs:,} scenes, spread evenly over the list.")
    for line in read.failed[:5]:
        st.warning(line, icon=":material/warning:")
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.subheader("All scenes", anchor=False)
        st.plotly_chart(
            charts.shares(dataset.scheme, counts[:-1] / max(1, labelled), title="share of labelled pixels", height=330),
            key="explore_shares",
        )
    with right:
        st.subheader("By tile", anchor=False)
        st.plotly_chart(_by_group(dataset.scheme, read), key="explore_groups")
    st.caption(f"Classes: {dataset.scheme_source}. Not labelled counts as no class and never enters a score.")
    _scene_table(dataset, read)


def _by_group(scheme: ClassScheme, read: block_counts.DatasetCounts) -> go.Figure:
    groups = read.by_group()
    names = list(groups)[:40]
    totals = {name: max(1, groups[name].sum()) for name in names}
    figure = go.Figure()
    for k, label in enumerate((*scheme.names, "not labelled")):
        figure.add_bar(
            y=names, x=[100 * groups[name][k] / totals[name] for name in names], name=label, orientation="h",
            marker={"color": scheme.hex(k), "line": {"width": 0.5, "color": "rgba(128,128,128,.6)"}},
            hovertemplate=f"%{{y}} · {label}: %{{x:.1f}} %<extra></extra>",
        )  # fmt: skip
    figure.update_layout(
        barmode="stack", height=max(330, 60 + 26 * len(names)), margin={"l": 8, "r": 8, "t": 30, "b": 8},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0, "traceorder": "normal"},
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(title="share of pixels, %", range=[0, 100])
    return figure


def _scene_table(dataset: Dataset, read: block_counts.DatasetCounts) -> None:
    rows = []
    for scene in read.scenes:
        counts = scene.counts
        shares = 100 * counts[:-1] / max(1, counts[:-1].sum())
        labelled = 100 * counts[:-1].sum() / max(1, counts.sum())
        rows.append(
            {"scene": scene.name, "tile": scene.group, "width": scene.width, "height": scene.height, "labelled": labelled}
            | dict(zip(dataset.scheme.names, shares, strict=True))
        )
    percent = st.column_config.NumberColumn(format="%.1f %%")
    with st.expander(f"Table of {len(rows)} scenes", icon=":material/table:"):
        st.dataframe(pd.DataFrame(rows), hide_index=True, column_config={name: percent for name in ("labelled", *dataset.scheme.names)})
        st.caption("Width and height in pixels; classes as shares of the labelled pixels.")


# ---- thumbnails ----


def thumbnails(dataset: Dataset) -> None:
    """A page of small pictures, by tile and sorted by name or class share."""
    first, second, third = st.columns([3, 2, 1.4], vertical_alignment="bottom")
    groups = first.multiselect(
        "Tiles",
        dataset.groups,
        key="explore_groups_shown",
        placeholder="All tiles",
        help="Show only scenes of these tiles.",
        persist_state="session",
    )
    order = second.selectbox(
        "Order",
        ["Name", *(f"Most {name}" for name in dataset.scheme.names)],
        key="explore_order",
        help="By name, or by the share of one class.",
        persist_state="session",
    )
    overlay = third.toggle("Show masks", key="explore_overlay", help="Lay the mask over each picture.", persist_state="session")
    pairs = [pair for pair in dataset.pairs if not groups or pair.group in groups]
    if order != "Name":
        share = _shares(dataset, dataset.scheme.names.index(order.removeprefix("Most ")))
        pairs.sort(key=lambda pair: -share.get(pair.name, 0.0))
    pages = max(1, -(-len(pairs) // _PER_PAGE))
    page = st.pagination(pages, key="explore_page") if pages > 1 else 1
    shown = pairs[(min(page, pages) - 1) * _PER_PAGE : min(page, pages) * _PER_PAGE]
    for number, pair in enumerate(shown):
        if number % _PER_ROW == 0:
            columns = st.columns(_PER_ROW)
        with columns[number % _PER_ROW], frame.errors():
            st.image(_thumbnail(pair, dataset.scheme, overlay, _pair_key(pair, dataset)), width="stretch", alt=pair.name)
            st.button(
                pair.name,
                key=f"explore_pick_{pair.name}",
                type="tertiary",
                help=f"{pair.group}: open it large",
                on_click=_open_scene,
                args=(pair.name,),
            )
    st.caption(f"{len(shown)} of {len(pairs):,} scenes. Press a name to see the scene large.")


def _open_scene(name: str) -> None:
    st.session_state["explore_scene"] = name
    st.session_state["explore_tab"] = "One scene"


def _shares(dataset: Dataset, class_id: int) -> dict[str, float]:
    return {scene.name: scene.counts[class_id] / max(1, scene.counts[:-1].sum()) for scene in block_counts.of(dataset).scenes}


def _pair_key(pair: Pair, dataset: Dataset) -> tuple[str, ...]:
    return (dataset.digest, pair.name, repr(dataset.scheme))


@st.cache_data(max_entries=2000, show_spinner=False)
def _thumbnail(_pair: Pair, _scheme: ClassScheme, overlay: bool, key: tuple[str, ...]) -> np.ndarray:
    image = _pair.image
    factor = max(1.0, max(image.shape) / _THUMB_PX)
    shape = (max(1, round(image.height / factor)), max(1, round(image.width / factor)))
    picture = display_rgb(image, out_shape=shape)
    if not overlay or _pair.mask is None:
        return picture
    height, width = _pair.shape
    ids = tiles.labels_at(_pair, _scheme, image.window if (height, width) == image.shape else _pair.mask.window, shape)
    mixed = (0.45 * picture + 0.55 * _scheme.decode(ids)).astype(np.uint8)
    return np.where((ids < len(_scheme))[..., None], mixed, picture)


def _count(pixels: int) -> str:
    return f"{pixels / 1e9:.2f} G" if pixels >= 1e9 else f"{pixels / 1e6:.1f} M" if pixels >= 1e6 else f"{pixels:,}"
