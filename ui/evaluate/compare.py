"""Two evaluations of the same scenes side by side, and a map of where they disagree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from core.evaluation.comparing import DISAGREEMENT_FILE, VERDICTS, Comparison
from core.evaluation.comparing import compare as set_side_by_side
from core.files import read_json
from core.jobs import jobs
from core.plain import in_markdown
from core.scenes.opening import open_scene
from core.words import file_stem, share_words
from ui import jobs_view, state, tables
from ui.allowed import changing
from ui.evaluate import charts, runs
from ui.evaluate.runs import EvaluationRun
from ui.evaluate.scores import NO_BAR

# By position in VERDICTS; blue and orange are the two runs, grey and black do not tell them apart.
_COLOURS = ("#00000000", "#C9D2D6", "#3B82C4", "#D9731A", "#6E7B81", "#1D252A", "#E9EEF0", "#9B7BB8")
_LONGEST_PX = 900


def compare(run: EvaluationRun) -> None:
    """Choose the other evaluation; differences with intervals, and the map."""
    others = [other for other in runs.runs() if other.folder != run.folder and comparable(run, other)]
    if not others:
        st.info(
            "Nothing to compare with yet. Evaluate another model, or the same one with other settings, on the same data set; then the "
            "differences appear here, with intervals and a map of where the two disagree.",
            icon=":material/compare_arrows:",
        )
        return
    second = st.selectbox(
        "Compare with",
        others,
        format_func=lambda one: one.label,
        key=f"evaluation_other_{run.folder.name}",
        help="Evaluations that share scenes and classes with the one above.",
    )
    found = _compared(run.folder.name, second.folder.name, run.evaluation, second.evaluation)
    st.markdown(f"**First:** {in_markdown(run.title)}  \n**Second:** {in_markdown(second.title)}")
    left, right = st.columns([3, 2], gap="large")
    left.plotly_chart(charts.differences(found), key="evaluation_differences", config=NO_BAR)
    with right:
        st.markdown(verdict(found))
        table(found)
    for note in found.notes:
        st.warning(in_markdown(note), icon=":material/warning:")
    st.caption(
        f"{len(found.scenes)} common scenes. {in_markdown(found.text)} Both runs draw the same scenes each time, so what makes a "
        "scene hard for both cancels. Blue: the second is better; orange: worse; grey: it may be chance."
    )
    st.subheader("Where they disagree", anchor=False)
    _disagreement(run, second)


def comparable(run: EvaluationRun, other: EvaluationRun) -> bool:
    """Whether two evaluations share classes and scenes."""
    one, two = run.evaluation, other.evaluation
    return one.scheme.names == two.scheme.names and one.dataset == two.dataset and bool(set(one.per_scene) & set(two.per_scene))


def verdict(found: Comparison) -> str:
    """The difference of mean IoU in a sentence."""
    row = next(row for row in found.rows if row.score == "mean_iou")
    words = f"Mean IoU **{row.first:.3f}** against **{row.second:.3f}**: {row.difference:+.3f}"
    if row.low is None:
        return f"{words}. Too few scenes to say whether that is chance."
    better = "better" if row.difference > 0 else "worse"
    ends = f" (95 %: {row.low:+.3f} to {row.high:+.3f})"
    return f"{words}{ends}. " + (f"The second is clearly {better}." if row.clear else "That may be chance.")


def table(found: Comparison) -> None:
    """The scores of both and their differences."""
    rows = [
        {"score": charts.score_name(row.score, row.name), "first": row.first, "second": row.second, "difference": row.difference}
        for row in found.rows
    ]
    three = st.column_config.NumberColumn(format="%.3f")
    tables.show(
        pd.DataFrame(rows),
        hide_index=True,
        column_config={"first": three, "second": three, "difference": st.column_config.NumberColumn(format="%+.3f")},
    )


def _disagreement(run: EvaluationRun, second: EvaluationRun) -> None:
    made = next((job for job in jobs.list_jobs(state.workspace(), kinds=("compare",)) if _is_of(job.request, run, second)), None)
    if made is not None and made.active:
        st.caption("The map is being made; it appears here.")
        return
    folder = Path(made.request["out"]) if made is not None else None
    if folder is None or not (folder / DISAGREEMENT_FILE).is_file():
        if st.button(
            "Map where they disagree",
            icon=":material/map:",
            key="evaluation_map_start",
            **changing("Compares the two pixel by pixel on the common scenes; takes seconds."),
        ):
            jobs_view.start(
                "compare", {"first": run.folder, "second": second.folder}, title=f"{run.evaluation.model} and {second.evaluation.model}"
            )
            st.rerun()
        return
    record = read_json(folder / DISAGREEMENT_FILE)
    scenes = sorted(record["scenes"], key=lambda name: -_apart(record["scenes"][name]["pixels"]))
    total = max(1, sum(record["pixels"].values()))
    scene = st.selectbox(
        "Scene",
        scenes,
        key=f"evaluation_map_scene_{folder.name}",
        help="Most disagreement first.",
        format_func=lambda name: f"{name} · differ in {share_words(_apart(record['scenes'][name]['pixels']), 1)}",
    )
    path = folder / record["scenes"][scene]["file"]
    first, other, verdicts = _maps(str(path), path.stat().st_mtime_ns)
    scheme = state.shown(run.evaluation.scheme)
    columns = st.columns(3)
    columns[0].image(scheme.decode(first), caption=f"First: {in_markdown(run.evaluation.model)}", width="stretch", output_format="PNG")
    columns[1].image(scheme.decode(other), caption=f"Second: {in_markdown(second.evaluation.model)}", width="stretch", output_format="PNG")
    columns[2].image(_painted(verdicts), caption="Who is right", width="stretch", output_format="PNG")
    chips = "".join(
        f'<span style="display:inline-flex;align-items:center;gap:.35rem;margin-right:1rem"><span style="width:.9rem;height:.9rem;'
        f'border-radius:3px;border:1px solid rgba(128,128,128,.7);background:{_COLOURS[k]}"></span>{VERDICTS[k]} '
        f"{share_words(record['pixels'][VERDICTS[k]] / total, 1)}</span>"
        for k in range(1, len(VERDICTS))
        if record["pixels"][VERDICTS[k]]
    )
    st.html(f'<div style="font-size:.9rem">{chips}</div>')
    st.download_button(
        "This scene's map (GeoTIFF)",
        path.read_bytes,
        f"{file_stem(scene, 'disagreement', run.evaluation.model, second.evaluation.model)}.tif",
        "image/tiff",
        icon=":material/download:",
        key="evaluation_map_get",
        on_click="ignore",
        help="Bands: first prediction, second prediction, who is right.",
    )


def _apart(pixels: dict[str, int]) -> float:
    """Share of the pixels on which the two differ."""
    return sum(pixels[VERDICTS[k]] for k in (2, 3, 5, 7)) / max(1, sum(pixels.values()))


def _is_of(request: dict, run: EvaluationRun, second: EvaluationRun) -> bool:
    return [request["first"], request["second"]] == [str(run.folder), str(second.folder)] and not request["optimistic"]


def _painted(verdicts: np.ndarray) -> np.ndarray:
    """RGBA uint8 (h, w, 4) of positions in VERDICTS."""
    table = np.zeros((256, 4), np.uint8)
    for number, colour in enumerate(_COLOURS):
        values = bytes.fromhex(colour[1:])
        table[number] = [*values, 255] if len(values) == 3 else list(values)
    return table[verdicts]


@st.cache_data(max_entries=8, show_spinner=False)
def _maps(path: str, stamp: int) -> list[np.ndarray]:
    scene = open_scene(Path(path), expand_palette=False)
    factor = min(1.0, _LONGEST_PX / max(scene.shape))
    shape = tuple(max(1, round(side * factor)) for side in scene.shape)
    return list(np.moveaxis(scene.read(bands=[1, 2, 3], out_shape=shape, categorical=True), 2, 0))


@st.cache_data(max_entries=16, show_spinner="Comparing")
def _compared(first: str, second: str, _one, _two) -> Comparison:
    return set_side_by_side(_one, _two)
