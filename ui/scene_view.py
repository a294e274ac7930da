"""One scene of a data set on the Explore page: large with its mask, its bands and histogram, and the patch grid on it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.classes import ClassScheme
from core.data.datasets import Dataset, Pair
from core.errors import GroundlineError
from core.scene import Scene, default_rgb
from ui import block_counts, library, tiles, viewer

_HISTOGRAM_PX = 512


def one_scene(dataset: Dataset) -> None:
    """A scene large with its mask, the choice of bands, and its histogram."""
    pair = choose_pair(dataset)
    image = pair.image
    bands = _choose_bands(image)
    if pair.mask is not None and pair.mask.shape != image.shape and not pair.crop:
        st.warning(
            f"The mask has {size_text(pair.mask.shape[::-1])} pixels, the image {size_text(image.shape[::-1])}; only the image is shown.",
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
        ("width x height", f"{size_text(image.shape[::-1])} px"),
        ("bands", f"{image.bands} of {image.dtype}"),
        ("pixel size", f"{distance:.3g} m" if distance else "not known"),
        ("coordinates", crs),
        ("nodata value", "none" if image.nodata is None else f"{image.nodata:g}"),
    ]


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


def size_text(width_height: tuple[int, int]) -> str:
    """ "2,304 x 2,048" of (width, height)."""
    return f"{width_height[0]:,} x {width_height[1]:,}"
