"""One HTML page that tells an evaluation to people: opens without a network, needs no other file, prints well."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core import __version__
from core.evaluation import charts
from core.evaluation.regions import SMALLEST_PX
from core.evaluation.result import VIEWS, Evaluation
from core.html_page import class_name, page, table
from core.words import DASH, number_words, share_words

if TYPE_CHECKING:
    from core.evaluation.result import LabelError, PatchResult

PART_WORDS = {
    "all": "all scenes of the data set",
    "train": "the scenes it was trained on",
    "validation": "the validation scenes, which chose its best epoch",
    "test": "scenes held out from training",
}
_WORST, _LABELS = 12, 8

STYLE = Path(__file__).with_name("report.css")


def report_html(evaluation: Evaluation) -> str:
    """The report as one HTML text; pictures are taken from the evaluation's folder and put inside."""
    sections = [
        _head(evaluation),
        _classes(evaluation),
        _confusion(evaluation),
        _scenes(evaluation),
        _calibration(evaluation),
        _thresholds(evaluation),
        _areas(evaluation),
        _patches(evaluation),
        _label_errors(evaluation),
        _method(evaluation),
    ]
    body = "\n".join(part for section in sections for part in section)
    return page(f"Evaluation of {evaluation.model or 'a model'}", style=STYLE.read_text(encoding="utf-8"), main=body)


def _head(evaluation: Evaluation) -> Iterator[str]:
    one, found = evaluation.confusion, evaluation.intervals
    count = len(evaluation.results)
    yield f"<h1>Evaluation of {escape(evaluation.model or 'a model')}</h1>"
    yield (
        f'<p class="soft">Measured on {PART_WORDS[evaluation.scenes]}: {count} {"scene" if count == 1 else "scenes"} of '
        f"{escape(evaluation.dataset or 'a data set')}, {one.pixels:,} labelled pixels; {one.ignored_pixels:,} pixels are left out.</p>"
    )
    yield from (f'<p class="note">{escape(note)}</p>' for note in evaluation.notes)
    yield '<div class="tiles">'
    for key, name in (
        ("mean_iou", "Mean IoU"),
        ("accuracy", "Accuracy"),
        ("micro_iou", "Micro IoU"),
        ("mean_f1", "Mean F1"),
        ("kappa", "Kappa"),
    ):
        ends = found.of(key)
        yield f'<div class="tile">{name}<b>{number_words(getattr(one, key))}</b><small>{_interval(ends) or "no interval"}</small></div>'
    if 1 < len(evaluation.per_group) < count:
        yield (
            f'<div class="tile">Mean IoU by group<b>{number_words(evaluation.mean_iou_over_groups)}</b>'
            f"<small>the mean of {len(evaluation.per_group)} groups, each alike</small></div>"
        )
    yield f'<div class="tile">Calibration error<b>{number_words(evaluation.reliability.ece)}</b><small>0 is perfect</small></div></div>'
    absent = [name for name, there in zip(evaluation.scheme.names, one.present, strict=True) if not there]
    yield f'<p class="soft">{escape(found.text)}'
    if absent:
        yield f" Not in the truth, and left out of every mean: {escape(', '.join(absent))}."
    ignored = evaluation.with_ignored
    yield (
        f" Counting unlabelled pixels as one more class, which no prediction can hit: accuracy {number_words(ignored.accuracy)}, "
        f"mean IoU {number_words(ignored.mean_iou)}, micro IoU {number_words(ignored.micro_iou)}.</p>"
    )


def _classes(evaluation: Evaluation) -> Iterator[str]:
    one, scheme, found = evaluation.confusion, evaluation.scheme, evaluation.intervals
    yield "<h2>Classes</h2>"
    colours = [scheme.hex(number) for number in range(len(scheme))]
    yield charts.bars(scheme.names, colours, one.iou, [found.of("iou", number) for number in range(len(scheme))])
    yield (
        '<p class="soft">IoU of each class; the whisker is its 95 % interval.</p>'
        if found.low
        else '<p class="soft">IoU of each class.</p>'
    )
    head = ["Class", "IoU", "Precision", "Recall", "F1", "Kappa", "Boundary IoU"]
    polygons = evaluation.polygons
    head += ["Objects F1"] if polygons else []
    rows = []
    for number, name in enumerate(scheme.names):
        cells = [class_name(name, scheme.hex(number))]
        cells += [
            f"{number_words(getattr(one, key)[number])} {_small(found.of(key, number))}" for key in ("iou", "precision", "recall", "f1")
        ]
        cells += [number_words(one.class_kappa[number]), number_words(evaluation.boundary_iou[number])]
        if polygons:
            score = polygons.get(name)
            words = (
                ""
                if score is None
                else f"{number_words(score.f1)} <small>{score.matched} of {score.truth}, {score.predicted} predicted</small>"
            )
            cells.append(words)
        rows.append([*cells, f"{int(one.counts[number].sum()):,}"])
    yield table([*head, "Pixels"], rows)


def _confusion(evaluation: Evaluation) -> Iterator[str]:
    yield "<h2>Confusion</h2>"
    yield '<p class="soft">Each row is a class of the truth: where its pixels went. Large: share of the row; small: pixels.</p>'
    yield charts.matrix(evaluation.scheme.names, evaluation.confusion.counts)


def _scenes(evaluation: Evaluation) -> Iterator[str]:
    yield "<h2>Scenes</h2>"
    rows = []
    for result in sorted(evaluation.results, key=lambda result: np.nan_to_num(result.confusion.mean_iou, nan=2)):
        one = result.confusion
        scores = [number_words(value) for value in (one.mean_iou, one.accuracy, one.mean_f1, one.kappa, *one.iou)]
        rows.append([escape(result.name), *scores, f"{one.pixels:,}"])
    yield table(["Scene, worst first", "Mean IoU", "Accuracy", "Mean F1", "Kappa", *evaluation.scheme.names, "Pixels"], rows)


def _calibration(evaluation: Evaluation) -> Iterator[str]:
    one = evaluation.calibration
    yield "<h2>Calibration</h2>"
    yield '<p class="soft">Of the pixels with a confidence of 80 %, 80 % should be right. Below the dashed line the model is too sure.</p>'
    yield charts.reliability_plot(evaluation.reliability, None if one is None else one.after)
    if one is not None:
        yield (
            f"<p>Temperature fitted on {one.pixels:,} of these pixels: <b>{one.temperature:.3f}</b> (the card applies {one.applied:.3f}). "
            f"On these pixels it takes the calibration error from {one.before.ece:.3f} to {one.after.ece:.3f}; "
            "no pixel changes its class.</p>"
        )


def _thresholds(evaluation: Evaluation) -> Iterator[str]:
    scheme = evaluation.scheme
    curves = [evaluation.thresholds(name) for name in scheme.names]
    yield "<h2>Thresholds</h2>"
    yield '<div class="side">' + charts.precision_recall(scheme.names, [scheme.hex(k) for k in range(len(scheme))], curves)
    rows = []
    for number, (name, curve) in enumerate(zip(scheme.names, curves, strict=True)):
        if not np.isnan(curve.best):
            at = curve.at(curve.best)
            rows.append(
                [
                    class_name(name, scheme.hex(number)),
                    f"{curve.best:.2f}",
                    *(number_words(at[key]) for key in ("precision", "recall", "f1")),
                ]
            )
    yield table(["Class", "Best threshold", "Precision", "Recall", "F1"], rows) + "</div>"


def _areas(evaluation: Evaluation) -> Iterator[str]:
    areas = evaluation.summary()["areas"]
    if not areas:
        return
    unit = "ha" if areas["unit"] == "m2" else "px"
    factor = 1e-4 if unit == "ha" else 1.0
    rows = [
        [
            class_name(name, evaluation.scheme.hex(number)),
            *(_area(values[key] * factor) for key in ("mapped", "estimated")),
            f"± {_area(values['half_width'] * factor)}",
        ]
        for number, (name, values) in enumerate(areas["classes"].items())
    ]
    yield "<h2>Areas</h2>"
    yield (
        f'<p class="soft">Class areas of the scored scenes as mapped, and corrected for the map\'s own errors with their 95 % interval '
        f"(Olofsson et al. 2014), from {areas['sample']:,} places on a grid of {evaluation.settings.get('grid_px', '?')} px.</p>"
    )
    yield table(["Class", f"Mapped ({unit})", f"Estimated ({unit})", "95 % interval"], rows)


def _patches(evaluation: Evaluation) -> Iterator[str]:
    shown = [patch for patch in evaluation.patches[:_WORST] if patch.picture]
    if not shown:
        return
    yield "<h2>Worst patches</h2>"
    yield _legend(evaluation)
    yield '<div class="views"><span>Image</span><span>Mask</span><span>Prediction</span><span>Error (red)</span></div>'
    for patch in shown:
        words = f"{share_words(patch.error_fraction)} wrong, mean IoU {number_words(patch.mean_iou)}, loss {patch.loss:.2f}"
        yield _figure(evaluation, patch, f"{escape(patch.scene)}, row {patch.row}, column {patch.col}: {words}")


def _label_errors(evaluation: Evaluation) -> Iterator[str]:
    shown = [error for error in evaluation.label_errors[:_LABELS] if error.picture]
    if not shown:
        return
    yield "<h2>Likely label errors</h2>"
    count = len(evaluation.label_errors)
    of_all = f" The {len(shown)} likeliest of {count:,}; label_errors.csv lists all." if len(shown) < count else ""
    yield (
        '<p class="soft">Regions in which the model is sure of another class than the label. Look at the image before you change one.'
        f"{of_all}</p>"
    )
    for error in shown:
        words = (
            f"labelled {escape(error.labelled)} ({share_words(error.label_probability)}), the model says {escape(error.predicted)} "
            f"({share_words(error.confidence)}), {error.pixels:,} px"
        )
        yield _figure(evaluation, error, f"{escape(error.scene)}, row {error.row}, column {error.col}: {words}")


def _method(evaluation: Evaluation) -> Iterator[str]:
    settings = evaluation.settings
    yield "<h2>How it was measured</h2>"
    yield (
        f'<p class="soft">Whole scenes, patches overlapping by {share_words(float(settings.get("overlap", 0)))}, '
        f"symmetries {settings.get('symmetries', 1)}, engine {settings.get('engine', 'not told')}; "
        f"split of the model: {escape(evaluation.split or 'not known')}. "
        "IoU = TP / (TP + FP + FN) of pixels. Boundary IoU after Cheng et al. 2021 with a strip of "
        f"{settings.get('boundary_px', '?')} px; what is not labelled is no boundary. Objects are regions of 4 neighbours, at least "
        f"{SMALLEST_PX} px, matched at IoU 0.5. Calibration after Guo et al. 2017, label errors after Northcutt et al. 2021. "
        f"Groundline {escape(__version__)}.</p>"
    )


def _figure(evaluation: Evaluation, item: PatchResult | LabelError, caption: str) -> str:
    pictures = []
    for view in VIEWS:
        path = evaluation.folder / f"{item.picture}_{view}.png"
        content = base64.b64encode(path.read_bytes()).decode("ascii")
        pictures.append(f'<img alt="{view}" src="data:image/png;base64,{content}">')
    return f'<figure><figcaption>{caption}</figcaption><div class="strip">{"".join(pictures)}</div></figure>'


def _legend(evaluation: Evaluation) -> str:
    scheme = evaluation.scheme
    return "<p>" + " &nbsp; ".join(class_name(name, scheme.hex(k)) for k, name in enumerate(scheme.names)) + "</p>"


def _area(value: float | None) -> str:
    return DASH if value is None or np.isnan(value) else f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def _interval(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"


def _small(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"<small>{_interval(ends)}</small>"
