"""The worst patches and the likely label errors of an evaluation, in pictures, with the way to the scene."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image, ImageDraw

from core.classes import ClassScheme
from core.evaluation.pictures import context_window
from core.evaluation.result import MAPS, VIEWS, LabelError, PatchResult
from core.plain import in_markdown
from core.scenes.opening import open_scene
from core.words import number_words, share_words
from ui import frame, state, tables
from ui.evaluate.runs import EvaluationRun

_A_PAGE = 4
_SIDE_PX = 320
_TITLES = {"image": "Image", "mask": "Mask", "prediction": "Prediction", "error": "Wrong in red"}


def worst_patches(run: EvaluationRun) -> None:
    """Patches by their share of wrong pixels: pictures page by page, and a table of all."""
    evaluation = run.evaluation
    shown = [patch for patch in evaluation.patches if patch.picture]
    if not shown:
        st.info("This evaluation kept no pictures. Evaluate again to get them.", icon=":material/broken_image:")
        return
    _legend(evaluation.scheme)
    page, begin = _page(shown, "evaluation_patches_page")
    for place, patch in enumerate(page, begin + 1):
        with st.container(border=True, key=f"evaluation_patch_{place}"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(
                    f"**{place} · {in_markdown(patch.scene)}** · {_place(run, patch)} · **{share_words(patch.error_fraction)} wrong**, "
                    f"mean IoU {number_words(patch.mean_iou)}, mean loss {patch.loss:.2f}",
                    width="stretch",
                )
                _open(run, patch.scene, f"evaluation_open_patch_{place}")
            _pictures(run, patch.picture)
    with st.expander(f"All {len(evaluation.patches):,} patches as a table"):
        rows = [
            {
                "scene": patch.scene,
                "row": patch.row,
                "column": patch.col,
                "labelled px": patch.pixels,
                "wrong": 100 * patch.error_fraction,
                "mean IoU": patch.mean_iou,
                "mean loss": patch.loss,
            }
            for patch in evaluation.patches
        ]
        tables.show(
            pd.DataFrame(rows),
            hide_index=True,
            column_config={
                "wrong": st.column_config.ProgressColumn(format="%.0f %%", min_value=0, max_value=100, help="Share of the labelled pixels"),
                "mean IoU": st.column_config.NumberColumn(format="%.3f"),
                "mean loss": st.column_config.NumberColumn(
                    format="%.2f", help="−log of the label's probability: high where it is sure and wrong"
                ),
                "labelled px": st.column_config.NumberColumn(format="localized"),
            },
        )


def label_errors(run: EvaluationRun) -> None:
    """Regions where the model is sure of another class than the mask, likeliest first."""
    evaluation = run.evaluation
    found = evaluation.label_errors
    if not found:
        st.success("No region found in which the model is sure of another class than the mask.", icon=":material/check_circle:")
        return
    accuracy = evaluation.confusion.accuracy
    st.markdown(
        f"In **{len(found)} region{'s' if len(found) != 1 else ''}** the model is sure of another class than the mask. Look at each: "
        "either the mask is wrong there, and worth mending, or the model is."
        + (f" At an accuracy of {accuracy:.2f} expect most to be the model's own errors." if accuracy < 0.85 else "")
    )
    _legend(evaluation.scheme)
    page, begin = _page(list(found), "evaluation_labels_page")
    for place, error in enumerate(page, begin + 1):
        with st.container(border=True, key=f"evaluation_label_{place}"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(
                    f"**{place} · labelled {in_markdown(error.labelled)}, model {share_words(error.confidence)} sure of "
                    f"{in_markdown(error.predicted)}** · "
                    f"{in_markdown(error.scene)} · {_place(run, error)} · {error.pixels:,} px",
                    width="stretch",
                )
                _open(run, error.scene, f"evaluation_open_label_{place}")
            if error.picture:
                _pictures(run, error.picture, _box(run, error))
            else:
                st.caption("No pictures of this one were kept. Open it to see the scene.")
    with st.expander(f"All {len(found)} regions as a table"):
        rows = [
            {
                "scene": error.scene,
                "row": error.row,
                "column": error.col,
                "height px": error.height,
                "width px": error.width,
                "area px": error.pixels,
                "labelled": error.labelled,
                "model says": error.predicted,
                "sure to": error.confidence,
                "label's probability": error.label_probability,
            }
            for error in found
        ]
        two = st.column_config.NumberColumn(format="%.2f")
        tables.show(pd.DataFrame(rows), hide_index=True, column_config={"sure to": two, "label's probability": two})


def _page(items: list, key: str) -> tuple[list, int]:
    """The items of the page that is open, and the position of the first; buttons where there is more than one page."""
    pages = -(-len(items) // _A_PAGE)
    if pages < 2:
        return items, 0
    number = st.segmented_control(
        "Page",
        list(range(pages)),
        default=0,
        required=True,
        key=f"{key}_{pages}",
        format_func=lambda one: f"{one * _A_PAGE + 1}–{min(len(items), (one + 1) * _A_PAGE)}",
        help="Worst first.",
    )
    return items[number * _A_PAGE : (number + 1) * _A_PAGE], number * _A_PAGE


def _pictures(run: EvaluationRun, picture: str, box: Sequence[float] | None = None) -> None:
    scheme = run.evaluation.scheme
    for column, view in zip(st.columns(len(VIEWS)), VIEWS, strict=True):
        path = run.folder / f"{picture}_{view}.png"
        if not path.is_file():
            column.caption(f"{_TITLES[view]}: its file is gone")
            continue
        pixels = np.asarray(Image.open(path).convert("RGB"))
        if view in ("mask", "prediction"):
            pixels = recoloured(pixels, scheme, state.shown(scheme))
        pixels = framed(pixels, box)
        column.image(pixels, caption=_TITLES[view], width="stretch", output_format="PNG", alt=_TITLES[view])


def recoloured(pixels: np.ndarray, scheme: ClassScheme, shown: ClassScheme) -> np.ndarray:
    """A picture uint8 (h, w, 3) of classes in the colours of another palette; other colours stay."""
    out = pixels.copy()
    for old, new in zip(scheme.colours, shown.colours, strict=True):
        if old != new:
            out[(pixels == np.array(old, np.uint8)).all(axis=2)] = new
    return out


def framed(pixels: np.ndarray, box: Sequence[float] | None = None) -> np.ndarray:
    """A picture uint8 (h, w, 3) as a clear-rimmed square RGBA of at least 300 px, so that pictures of any shape line up.

    `box` (top, left, bottom, right), in fractions of the picture, is outlined.
    """
    height, width = pixels.shape[:2]
    times = max(1, round(_SIDE_PX / max(height, width)))
    large = pixels.repeat(times, axis=0).repeat(times, axis=1)
    height, width = large.shape[:2]
    side = max(height, width)
    out = np.zeros((side, side, 4), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    out[top : top + height, left : left + width] = np.dstack([large, np.full((height, width), 255, np.uint8)])
    if box is None:
        return out
    picture = Image.fromarray(out)
    draw = ImageDraw.Draw(picture)
    y0, x0, y1, x1 = (share * size for share, size in zip(box, (height, width, height, width), strict=True))
    corners = left + x0, top + y0, min(left + x1, left + width - 1), min(top + y1, top + height - 1)
    draw.rectangle(corners, outline="#000000", width=4)
    draw.rectangle(tuple(corner + shift for corner, shift in zip(corners, (1, 1, -1, -1), strict=True)), outline="#FFFFFF", width=2)
    return np.asarray(picture)


def _box(run: EvaluationRun, error: LabelError) -> Sequence[float]:
    """Where the region lies in its picture, as fractions: top, left, bottom, right."""
    scene = next(one for one in run.evaluation.results if one.name == error.scene)
    seen = context_window(error, (scene.height, scene.width))
    top, left = (error.row - seen.row) / seen.height, (error.col - seen.col) / seen.width
    return top, left, top + error.height / seen.height, left + error.width / seen.width


def _legend(scheme: ClassScheme) -> None:
    shown = state.shown(scheme)
    chips = "".join(
        f'<span style="display:inline-flex;align-items:center;gap:.35rem;margin-right:1rem"><span style="width:.9rem;height:.9rem;'
        f'border-radius:3px;border:1px solid rgba(128,128,128,.7);background:{shown.hex(k)}"></span>{name}</span>'
        for k, name in enumerate(map(escape, shown.names))
    )
    st.html(f'<div style="font-size:.9rem">{chips}</div>')


def _place(run: EvaluationRun, item: PatchResult | LabelError) -> str:
    """Row and column of the upper left corner, and degrees of the middle where the scene is georeferenced."""
    words = f"row {item.row:,}, column {item.col:,}"
    name = next((one.map for one in run.evaluation.results if one.name == item.scene), None)
    if name is None or not (run.folder / MAPS / name).is_file():
        return words
    degrees = _lonlat(str(run.folder / MAPS / name), item.row + item.height / 2, item.col + item.width / 2)
    return words if degrees is None else f"{words} ({degrees[1]:.5f}, {degrees[0]:.5f})"


@st.cache_data(max_entries=256, show_spinner=False)
def _lonlat(path: str, row: float, col: float) -> tuple[float, float] | None:
    return open_scene(Path(path), expand_palette=False).geo.lonlat(row, col)


def _open(run: EvaluationRun, scene: str, key: str) -> None:
    """A button that shows the scene with its mask on the Explore page."""
    pair = run.pair(scene)
    if pair is None:
        return
    if st.button("Open in Explore", icon=":material/travel_explore:", key=key, type="tertiary", help="The whole scene beside its mask."):
        state.select(dataset=run.dataset.root)
        state.explore(scene, tab=state.ONE_SCENE)
        st.switch_page(frame.PAGES["explore"][0])
