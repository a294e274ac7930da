"""One scene of a data set on the Explore page: large with its mask, its bands and histogram."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.datasets.datasets import Dataset
from core.datasets.pairs import Pair
from core.errors import MaskError, SceneError
from core.plain import in_markdown
from core.scenes.display import default_rgb
from core.scenes.rasters import marked_transparent
from core.scenes.scene import Scene
from ui import library, state, tables
from ui.viewer import viewer

_HISTOGRAM_PX = 512


def one_scene(dataset: Dataset) -> None:
    """A scene large with its mask, the choice of bands, and its histogram."""
    pair = choose_pair(dataset)
    image = pair.image
    bands = _choose_bands(image)
    trouble = _mask_trouble(pair)
    if trouble:
        st.warning(f"{in_markdown(trouble)} Only the image is shown.", icon=":material/warning:")
        viewer.scene_panes(pair.image_path, None, None, key="explore_viewer", bands=bands, height=460, around_px=640)
    else:
        viewer.scene_panes(pair.image_path, pair, dataset.scheme, key="explore_viewer", bands=bands, height=460, around_px=640)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Histogram", anchor=False)
        st.plotly_chart(_histogram(str(pair.image_path), image.digest, bands, _image=image), key="explore_histogram")
    with right:
        st.subheader("About this scene", anchor=False)
        tables.show(pd.DataFrame(_facts(pair), columns=["what", "value"]), hide_index=True)


def _mask_trouble(pair: Pair) -> str:
    """Why the mask cannot be laid over its image, empty where it can, or where there is none."""
    image = pair.image
    try:
        mask = pair.mask
    except (MaskError, SceneError) as error:
        return str(error)
    if mask is None or mask.shape == image.shape or pair.crop:
        return ""
    return f"The mask has {library.pixels_text(mask.shape[::-1])} pixels, the image {library.pixels_text(image.shape[::-1])}."


def choose_pair(dataset: Dataset) -> Pair:
    """The scene in view, shared by the tabs."""
    names = [pair.name for pair in dataset.pairs]
    asked = state.linked("scene", {name: name for name in names})
    if asked or st.session_state.get(state.EXPLORE_SCENE) not in names:
        state.explore(asked or names[library.largest(library.scenes_of(dataset.root)[: len(names)])])
    name = st.selectbox("Scene", names, key=state.EXPLORE_SCENE, help="Type to search by name.", persist_state="session")
    state.link("scene", name)
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
            x=(edges[:-1] + edges[1:]) / 2,
            y=100 * counts / max(1, values.size),
            mode="lines",
            name=name,
            line={"color": colours[index], "width": 2, "shape": "hvh"},
            fill="tozeroy",
            fillcolor="rgba(120,140,150,.08)",
            hovertemplate="%{y:.2f} %",
        )
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
        ("no CRS: those of the file's transform" if image.geo.unnamed else "none: pixel coordinates")
        if image.geo.crs is None
        else (f"EPSG:{image.geo.epsg}, " if image.geo.epsg else "") + image.geo.crs.name
    )
    return [
        ("image file", pair.image_path.name),
        ("mask file", pair.mask_path.name if pair.mask_path else "none"),
        ("tile", pair.group),
        ("width × height", f"{library.pixels_text(image.shape[::-1])} px"),
        ("bands", f"{image.bands} of {image.dtype}"),
        *((f"band {number}", name) for number, name in enumerate(image.band_names or (), 1) if name),
        *((f"band {number}", "marked as transparency, read as a band") for number in marked_transparent(image)),
        ("pixel size", f"{distance:.3g} m" if distance else "not known"),
        ("coordinates", crs),
        ("nodata value", "none" if image.nodata is None else f"{image.nodata:g}"),
    ]
