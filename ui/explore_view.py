"""The sections of the Explore page: numbers, thumbnails, one scene, patch grid, findings, mosaics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.classes import ClassScheme
from core.data.datasets import Dataset, Pair
from core.errors import GroundlineError, InputError
from core.scene import Scene, default_rgb, display_rgb
from ui import block_counts, charts, frame, library, state, tiles, viewer

_PER_PAGE = 24
_PER_ROW = 6
_THUMB_PX = 300
_HISTOGRAM_PX = 512
_NATURAL = "As in the file"


def choose_dataset() -> Path | None:
    """The data set in view, from those used before or by its path; the choice holds for all pages."""
    known = library.datasets()
    current = state.selection().dataset
    options = known if current is None or current in known else [current, *known]
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    with right.popover("Open a folder", icon=":material/folder_open:", width="stretch"):
        _open_by_path()
    if current is None:
        return None
    chosen = left.selectbox(
        "Data set",
        options,
        index=options.index(current),
        format_func=library.dataset_title,
        help="Data sets that were opened before, newest first.",
    )
    state.select(dataset=chosen)
    return chosen


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
        st.metric("Smallest", _size(sizes[0]) if sizes else "–", border=True, help="Width x height in pixels.")
        st.metric("Largest", _size(sizes[-1]) if sizes else "–", border=True, help="Width x height in pixels.")
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


# ---- one scene ----


def one_scene(dataset: Dataset) -> None:
    """A scene large with its mask, the choice of bands, and its histogram."""
    pair = choose_pair(dataset)
    image = pair.image
    bands = _choose_bands(image)
    if pair.mask is not None and pair.mask.shape != image.shape and not pair.crop:
        st.warning(
            f"The mask has {_size(pair.mask.shape[::-1])} pixels, the image {_size(image.shape[::-1])}; only the image is shown.",
            icon=":material/warning:",
        )
        viewer.scene_panes(pair.image_path, None, None, key="explore_viewer", bands=bands, height=460)
    else:
        viewer.scene_panes(pair.image_path, pair, dataset.scheme, key="explore_viewer", bands=bands, height=460)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Histogram", anchor=False)
        st.plotly_chart(_histogram(str(pair.image_path), image.digest, bands, _image=image), key="explore_histogram")
    with right:
        st.subheader("About this scene", anchor=False)
        st.dataframe(pd.DataFrame(_facts(pair), columns=["what", "value"]), hide_index=True)


def choose_pair(dataset: Dataset) -> Pair:
    """The scene in view, shared by the tabs."""
    names = [pair.name for pair in dataset.pairs]
    if st.session_state.get("explore_scene") not in names:
        st.session_state["explore_scene"] = names[library.largest(library.scenes_of(dataset.root)[: len(names)])]
    name = st.selectbox("Scene", names, key="explore_scene", help="Type to search by name.", persist_state="session")
    return dataset.pair(name)


def _choose_bands(image: Scene) -> tuple[int, ...]:
    start = default_rgb(image)
    if image.bands < 2 or (image.bands == 3 and image.dtype == "uint8"):
        return start
    titles = {
        band: f"{band} · {image.band_names[band - 1]}" if image.band_names and image.band_names[band - 1] else str(band)
        for band in range(1, image.bands + 1)
    }
    columns = st.columns(3)
    chosen = []
    for column, colour, band in zip(columns, ("Red", "Green", "Blue"), (start * 3)[:3], strict=True):
        key = f"explore_band_{colour}_{image.bands}"
        chosen.append(
            column.selectbox(
                f"{colour} shows band",
                list(titles),
                index=band - 1,
                format_func=titles.get,
                key=key,
                help=f"Band shown in {colour.lower()}, stretched to its 2nd to 98th percentile.",
                persist_state="session",
            )
        )
    return tuple(chosen)


@st.cache_data(max_entries=64, show_spinner=False)
def _histogram(path: str, digest: str, bands: tuple[int, ...], _image: Scene) -> go.Figure:
    factor = max(1.0, max(_image.shape) / _HISTOGRAM_PX)
    shape = (max(1, round(_image.height / factor)), max(1, round(_image.width / factor)))
    bands = tuple(dict.fromkeys(bands))
    pixels, valid = _image.read(bands=bands, out_shape=shape), _image.valid(out_shape=shape)
    colours = ("#D1495B", "#2E933C", "#3F7CAC") if len(bands) == 3 else ("#6E8791",) * len(bands)
    figure = go.Figure()
    for index, band in enumerate(bands):
        values = pixels[..., index][valid].astype(np.float64)
        values = values[np.isfinite(values)]
        limits = (0, 256) if _image.dtype == "uint8" else None
        counts, edges = np.histogram(values, bins=64, range=limits) if values.size else (np.zeros(1), np.array([0.0, 1.0]))
        name = _image.band_names[band - 1] if _image.band_names and _image.band_names[band - 1] else f"band {band}"
        figure.add_scatter(
            x=(edges[:-1] + edges[1:]) / 2, y=100 * counts / max(1, values.size), mode="lines", name=name,
            line={"color": colours[index], "width": 2, "shape": "hvh"},
            fill="tozeroy", fillcolor="rgba(120,140,150,.08)", hovertemplate="%{y:.2f} %",
        )  # fmt: skip
    figure.update_layout(
        height=270, margin={"l": 8, "r": 8, "t": 8, "b": 8}, hovermode="x unified", legend={"orientation": "h", "y": 1.1, "x": 0}
    )
    figure.update_xaxes(title=f"pixel value ({_image.dtype})")
    figure.update_yaxes(title="share of pixels, %", rangemode="tozero")
    return figure


def _facts(pair: Pair) -> list[tuple[str, str]]:
    image = pair.image
    distance = image.ground_sample_distance_m
    crs = (
        "none: pixel coordinates"
        if image.geo.crs is None
        else f"{image.geo.crs.name}" + (f" (EPSG:{image.geo.epsg})" if image.geo.epsg else "")
    )
    return [
        ("image file", pair.image_path.name),
        ("mask file", pair.mask_path.name if pair.mask_path else "none"),
        ("tile", pair.group),
        ("width x height", f"{_size(image.shape[::-1])} px"),
        ("bands", f"{image.bands} of {image.dtype}"),
        ("pixel size", f"{distance:.3g} m" if distance else "not known"),
        ("coordinates", crs),
        ("nodata value", "none" if image.nodata is None else f"{image.nodata:g}"),
    ]


# ---- patches ----


@st.fragment
def patch_grid(dataset: Dataset) -> None:
    """Sliders of the patch grid, what they give in all, and the grid on one scene."""
    read = block_counts.of(dataset)
    first, second, third = st.columns(3)
    size = first.select_slider(
        "Patch size, px",
        [64, 96, 128, 192, 256, 320, 384, 512, 768, 1024],
        256,
        key="explore_patch",
        help="Side of the square patches.",
        persist_state="session",
    )
    step = second.select_slider(
        "Stride, % of the patch",
        [25, 50, 75, 100],
        100,
        key="explore_stride",
        help="100 % puts patches side by side; less makes them overlap.",
        persist_state="session",
    )
    least = third.slider(
        "Least labelled share, %",
        0,
        100,
        5,
        key="explore_labelled",
        help="Patches with fewer labelled pixels are dropped.",
        persist_state="session",
    )
    stride = max(block_counts.BLOCK_PX, size * step // 100 // block_counts.BLOCK_PX * block_counts.BLOCK_PX)
    result = block_counts.preview(read.scenes, patch_size=size, stride=stride, min_labelled=least / 100)
    left, right = st.columns([2, 3], gap="large")
    with left:
        with st.container(horizontal=True):
            st.metric("Patches kept", f"{result.kept:,}", border=True)
            st.metric("Dropped", f"{result.dropped:,}", border=True, help="Too little of them is labelled.")
        st.plotly_chart(_patch_chart(dataset.scheme, result), key="explore_patch_chart")
        missing = [name for name, count in zip(dataset.scheme.names, result.with_class, strict=False) if count == 0]
        if missing and result.kept:
            st.warning(f"No kept patch shows {', '.join(missing)}.", icon=":material/warning:")
    with right:
        pair = choose_pair(dataset)
        scene = next((scene for scene in read.scenes if scene.name == pair.name), None)
        cells = block_counts.grid_cells(scene, patch_size=size, stride=stride, min_labelled=least / 100) if scene else []
        viewer.panes(
            [viewer.Pane("Patches of this scene", (tiles.image_layer(pair.image_path), *_mask_of(pair, dataset.scheme)))],
            key="explore_grid",
            opacity=0.35,
            grid=cells,
            height=430,
        )
        st.caption(f"{size} px patches every {stride} px. Framed: kept. Red: dropped." if cells else "This scene was not among those read.")


def _mask_of(pair: Pair, scheme: ClassScheme) -> tuple[tiles.Layer, ...]:
    try:
        return (tiles.mask_layer(pair, scheme),) if pair.mask is not None else ()
    except GroundlineError:  # a mask of another size; the findings say so
        return ()


def _patch_chart(scheme: ClassScheme, result: block_counts.PatchPreview) -> go.Figure:
    counts = [int(count) for count in np.broadcast_to(result.with_class, len(scheme))]
    figure = go.Figure(
        go.Bar(
            x=counts, y=list(scheme.names), orientation="h", text=[f"{count:,}" for count in counts], textposition="auto",
            marker={"color": [scheme.hex(k) for k in range(len(scheme))], "line": {"width": 1, "color": "rgba(128,128,128,.5)"}},
            hovertemplate="%{y}: %{x:,} patches<extra></extra>",
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title="kept patches that show the class", rangemode="tozero")
    figure.update_layout(height=270, margin={"l": 8, "r": 8, "t": 8, "b": 8}, showlegend=False, uirevision="patches")
    return figure


def _size(width_height: tuple[int, int]) -> str:
    return f"{width_height[0]:,} x {width_height[1]:,}"


def _count(pixels: int) -> str:
    return f"{pixels / 1e9:.2f} G" if pixels >= 1e9 else f"{pixels / 1e6:.1f} M" if pixels >= 1e6 else f"{pixels:,}"
