"""The choice of a data set on the Explore page, and its overview: numbers, class shares, tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.classes import ClassScheme
from core.datasets.datasets import CLASS_FILE, Dataset
from core.errors import DatasetError, InputError
from core.patches.estimates import DatasetCounts
from core.plain import in_chart, in_markdown
from core.words import share_words
from ui import charts, frame, library, state, tables
from ui.explore import counts as block_counts
from ui.explore import naming
from ui.input import typed_path

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
    current = state.linked("data", {state.short(path): path for path in options}) or current
    if current is None:
        return None
    chosen = left.selectbox(
        "Data set",
        options,
        index=options.index(current),
        format_func=title,
        help="Data sets that were opened before, newest first, then the samples.",
    )
    state.link("data", state.short(chosen))
    if state.select(dataset=chosen):
        st.rerun()
    return chosen


def samples() -> list[Path]:
    """The small data sets that ship with Groundline, the town first."""
    folder = state.SAMPLE.parent
    found = sorted(path for path in folder.iterdir() if (path / CLASS_FILE).is_file()) if folder.is_dir() else []
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
            if st.button(in_markdown(title(path)), key=f"explore_sample_{path.name}", icon=":material/image:"):
                state.select(dataset=path)
                st.rerun()


def _open_by_path() -> None:
    typed = st.text_input(
        "Folder", key="explore_path", placeholder="~/city", help="A folder on the machine that runs Groundline. Nothing is copied."
    )
    if st.button("Open", key="explore_open", type="primary", icon=":material/arrow_forward:"):
        with frame.errors() as outcome:
            path = typed_path(typed)
            if path is None:
                raise InputError("no folder typed", expected="the path of a folder with images and masks", do="Type one and press Open")
            try:
                library.dataset(path)
            except DatasetError as error:
                if not naming.can_name(path):
                    raise
                naming.ask_for(path, error.found)
                st.rerun()
        if not outcome.failed:
            state.select(dataset=path)
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
            share_words(labelled / max(1, counts.sum()), 1),
            border=True,
            help="Pixels that belong to a class; the rest is ignored.",
        )
        st.metric("Smallest", library.pixels_text(sizes[0]) if sizes else "–", border=True, help="Width × height in pixels.")
        st.metric("Largest", library.pixels_text(sizes[-1]) if sizes else "–", border=True, help="Width × height in pixels.")
    if len(read.scenes) + len(read.failed) < read.pairs:
        st.caption(f"Class numbers come from {len(read.scenes)} of {read.pairs:,} scenes, spread evenly over the list.")
    for line in read.failed[:5]:
        st.warning(in_markdown(line), icon=":material/warning:")
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.subheader("All scenes", anchor=False)
        st.plotly_chart(
            charts.shares(state.shown(dataset.scheme), counts[:-1] / max(1, labelled), title="share of labelled pixels", height=330),
            key="explore_shares",
        )
    with right:
        st.subheader("By tile", anchor=False)
        st.plotly_chart(_by_group(state.shown(dataset.scheme), read), key="explore_groups")
    st.caption(f"Classes: {in_markdown(dataset.scheme_source)}. Not labelled counts as no class and never enters a score.")
    _scene_table(dataset, read)


def _by_group(scheme: ClassScheme, read: DatasetCounts) -> go.Figure:
    groups = read.by_group()
    names = list(groups)[:40]
    totals = {name: max(1, groups[name].sum()) for name in names}
    figure = go.Figure()
    for k, label in enumerate((*scheme.names, "not labelled")):
        if k == len(scheme) and not read.counts[-1]:
            continue
        figure.add_bar(
            y=[in_chart(name) for name in names],
            x=[100 * groups[name][k] / totals[name] for name in names],
            name=in_chart(label),
            orientation="h",
            marker={"color": scheme.hex(k), "line": {"width": 0.5, "color": "rgba(128,128,128,.6)"}},
            hovertemplate=f"%{{y}} · {in_chart(label)}: %{{x:.1f}} %<extra></extra>",
        )
    gap = max(0.2, 1 - len(names) / 6)  # a single bar is no wall
    figure.update_layout(
        barmode="stack",
        bargap=gap,
        height=max(330, 60 + 26 * len(names)),
        margin={"l": 8, "r": 16, "t": 30, "b": 8},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0, "traceorder": "normal"},
    )
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(title="share of pixels, %", range=[0, 100], dtick=25, ticklabeloverflow="allow")
    return figure


def _scene_table(dataset: Dataset, read: DatasetCounts) -> None:
    rows = []
    for scene in read.scenes:
        counts = scene.counts
        shares = 100 * counts[:-1] / max(1, counts[:-1].sum())
        labelled = 100 * counts[:-1].sum() / max(1, counts.sum())
        size = {"width": scene.width, "height": scene.height, "pixel size": scene.pixel_size_m, "bands": f"{scene.bands} of {scene.dtype}"}
        shares_of = dict(zip(dataset.scheme.names, shares, strict=True))
        rows.append({"scene": scene.name, "tile": scene.group} | size | {"labelled": labelled} | shares_of)
    if not rows:
        return
    table = pd.DataFrame(rows)
    table["pixel size"] = table["pixel size"].astype(float)
    percent = st.column_config.NumberColumn(format="%.1f %%")
    metres = st.column_config.NumberColumn("pixel size, m", format="%.3g", help="Empty where the files do not say it.")
    whole = {name: st.column_config.NumberColumn(format="localized") for name in ("width", "height")}
    columns = {"pixel size": metres} | whole | {name: percent for name in ("labelled", *dataset.scheme.names)}
    st.subheader("Sizes", anchor=False)
    same = ["width", "height", "pixel size", "bands"]
    rounded = table.assign(**{"pixel size": [float(f"{size:.3g}") for size in table["pixel size"]]})  # it varies a little over a map
    sizes = rounded.groupby(same, dropna=False, sort=False).agg(scenes=("scene", "size"), tiles=("tile", "nunique")).reset_index()
    tables.show(sizes.sort_values("scenes", ascending=False), hide_index=True, column_config=columns)
    with st.expander(f"Table of {len(rows)} scene{'s' if len(rows) > 1 else ''}", icon=":material/table:"):
        tables.show(table, hide_index=True, column_config=columns, names=dataset.scheme.names)
    st.caption("Width and height in pixels; classes as shares of the labelled pixels.")


def _count(pixels: int) -> str:
    return f"{pixels / 1e9:.2f} G" if pixels >= 1e9 else f"{pixels / 1e6:.1f} M" if pixels >= 1e6 else f"{pixels:,}"
