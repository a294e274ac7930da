"""A report on a layer as one HTML file that opens without a network: map, legend, areas with intervals, scores, settings, provenance."""

from __future__ import annotations

import html
import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.evaluation.areas import AdjustedAreas, adjusted_areas
from core.files import replacing
from core.html_page import class_name, page, table
from core.prediction.folder.origin import ADDRESS, ATTRIBUTION
from core.vector.clip import class_sums, mean_confidence
from core.vector.layer import LineLayer, PolygonLayer
from core.vector.printing.place import place_words
from core.vector.printing.report_map import map_svg
from core.words import DASH, area_words, length_words, number_words, share_words

if TYPE_CHECKING:
    from core.confusion import Confusion
    from core.model_store.cards import ModelCard
    from core.prediction.folder.rasters import Prediction
    from core.scenes.scene import Scene

TEMPLATE, STYLE = (Path(__file__).with_name(f"report.{kind}") for kind in ("html", "css"))
PLACE_PX = 32
"""Side in pixels of what counts as one independent place of a test scene: neighbouring pixels are right or wrong together."""

_SETTINGS = {
    "threshold": "Least confidence",
    "min_area": "Smallest area",
    "simplify": "Borders may move by",
    "smooth": "Corners rounded",
    "simplify_method": "Simplified by",
    "clipped_to": "Cut to",
    "distance_to": "Distance to",
}
_PROVENANCE = {
    "source": "Traced from",
    ATTRIBUTION: "Picture by",
    ADDRESS: "Picture from",
    "model": "Model",
    "crs": "Coordinates",
    "area_method": "Areas",
    "length_method": "Lengths",
    "confidence": "Confidence",
    "software": "Software",
}


def write_report(layer: PolygonLayer, path: str | os.PathLike, **given: Any) -> Path:
    """Write `report_html` to `path` in one step."""
    text = report_html(layer, **given)
    with replacing(path, suffix=".html") as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def report_html(
    layer: PolygonLayer,
    *,
    title: str | None = None,
    scene: Scene | None = None,
    card: ModelCard | None = None,
    prediction: Prediction | None = None,
    confusion: Confusion | None = None,
    metrics: Mapping[str, Any] | None = None,
    lines: LineLayer | None = None,
) -> str:
    """The report as one HTML text that asks for nothing else.

    scene: shown below the polygons. lines: centre lines, drawn above them. confusion: of scenes that the model has not seen, metrics:
    scores as `Confusion.summary` gives them; both are taken from the card's test scenes (else its validation ones) when they are not
    given. Areas get 95 % intervals from them (Olofsson et al. 2014), with one independent place for each `PLACE_PX` x `PLACE_PX` pixels.
    prediction: adds how it was predicted.
    """
    sums = class_sums(layer)
    part, scores = _scores(card, metrics)
    counts = confusion.counts if confusion is not None else (scores or {}).get("confusion")
    adjusted = _adjusted(layer, sums, counts, card)
    title = title or str(layer.made.get("source") or "Polygons")
    model = layer.made.get("model")
    subtitle = f"Polygons from {layer.made.get('source')}" + (f", found by the model {model}" if model else "")
    picture, caption = map_svg(layer, sums, scene, lines)
    values = {
        "title": html.escape(title),
        "subtitle": html.escape(f"{subtitle}. Written on {time.strftime('%d %B %Y, %H:%M')} by {layer.made.get('software')}."),
        "figures": _figures(layer, sums, scores),
        "map": picture,
        "caption": html.escape(f"{caption} {place_words(layer)}"),
        "legend": _legend(layer, sums, lines),
        "areas": _area_table(layer, sums, adjusted),
        "bars": _bars(layer, sums, adjusted),
        "areas_note": _note(adjusted, part, card),
        "metrics": _metrics(scores, part),
        "settings": _pairs(_settings(layer, prediction)),
        "provenance": _pairs([(name, layer.made.get(key)) for key, name in _PROVENANCE.items()]),
    }
    main = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(values)
    return page(title, style=STYLE.read_text(encoding="utf-8"), main=main)


def _scores(card: ModelCard | None, metrics: Mapping[str, Any] | None) -> tuple[str, Mapping[str, Any] | None]:
    """What the scores were taken on, and the scores: those given, else the card's test scenes, else its validation ones."""
    if metrics is not None:
        return "scenes that the model has not seen", metrics
    known = {} if card is None else card.metrics
    if "test" in known:
        return "test scenes that the model has not seen", known["test"]
    return "validation scenes, which chose the epoch of the model", known.get("validation")


def _adjusted(layer: PolygonLayer, sums: pd.DataFrame, counts: Any, card: ModelCard | None) -> dict[str, tuple[float, float]]:
    """Estimated area and half of its 95 % interval by class name; empty without a confusion of the layer's own classes."""
    names = layer.scheme.own_names if card is None else card.scheme.names
    called = layer.scheme.called
    shown = [called.get(name, name) for name in names]
    fits = counts is not None and np.shape(counts) == (len(names), len(names)) and set(sums["class_name"]) <= set(shown)
    if not fits or sums["area"].sum() <= 0:
        return {}
    mapped = sums.set_index("class_name")["area"].reindex(shown, fill_value=0.0).to_numpy()
    found: AdjustedAreas = adjusted_areas(np.asarray(counts, float) / PLACE_PX**2, mapped)
    return {name: (float(a), float(h)) for name, a, h in zip(shown, found.estimated, found.half_width, strict=True) if np.isfinite(a + h)}


def _figures(layer: PolygonLayer, sums: pd.DataFrame, scores: Mapping[str, Any] | None) -> str:
    sure = mean_confidence(layer)
    cells = [
        (f"{len(layer.frame):,}", "polygons"),
        (area_words(float(sums["area"].sum()), layer.units), "mapped area"),
        (str(len(sums)), "classes" if len(sums) != 1 else "class"),
        *([(f"{sure:.2f}", "mean confidence of the area, 0 to 1")] if sure == sure else []),
        *([(f"{scores['mean_iou']:.2f}", "mean IoU of the model on other scenes")] if scores else []),
    ]
    return "".join(f"<li><b>{html.escape(value)}</b><span>{html.escape(name)}</span></li>" for value, name in cells)


def _legend(layer: PolygonLayer, sums: pd.DataFrame, lines: LineLayer | None) -> str:
    drawn = (
        []
        if lines is None
        else [
            '<li><label><input type="checkbox" checked value="lines"><i class="dash"></i>Centre lines'
            f"<em>{length_words(sum(lines.lengths().values()), lines.units)}</em></label></li>"
        ]
    )
    return "".join(
        [
            f'<li><label><input type="checkbox" checked value="class{row.class_id}">'
            f"{class_name(row.class_name, row.colour)}<em>{area_words(row.area, layer.units)}</em></label></li>"
            for row in sums.itertuples()
        ]
        + drawn
    )


def _area_table(layer: PolygonLayer, sums: pd.DataFrame, adjusted: Mapping[str, tuple[float, float]]) -> str:
    known = sums["mean_confidence"].notna().any()
    head = ["Class", "Polygons", "Mapped area", "Share"]
    head += (["Estimated area", "95 % interval"] if adjusted else []) + (["Mean confidence"] if known else [])
    rows = []
    for row in sums.itertuples():
        estimate = adjusted.get(row.class_name)
        span = [DASH, DASH] if estimate is None else [area_words(estimate[0], layer.units), _interval(*estimate, layer.units)]
        sure = f"{row.mean_confidence:.2f}" if row.mean_confidence == row.mean_confidence else DASH
        values = [f"{row.polygons:,}", area_words(row.area, layer.units), share_words(row.share, 1)]
        values += (span if adjusted else []) + ([sure] if known else [])
        rows.append([class_name(row.class_name, row.colour), *(html.escape(value) for value in values)])
    return table(head, rows)


def _interval(estimate: float, half: float, units: str) -> str:
    return f"{area_words(max(0.0, estimate - half), units, like=estimate)} to {area_words(estimate + half, units, like=estimate)}"


def _bars(layer: PolygonLayer, sums: pd.DataFrame, adjusted: Mapping[str, tuple[float, float]]) -> str:
    """Mapped areas as bars, the estimates as dots with their intervals."""
    if not len(sums):
        return ""
    shown = sums.head(20)
    reach = max([float(shown["area"].max())] + [sum(adjusted[name]) for name in shown["class_name"] if name in adjusted])
    left, right, step = 170, 980, 30
    scale = (right - left) / (reach or 1.0)
    parts = []
    for number, row in enumerate(shown.itertuples()):
        y = 8 + number * step
        parts.append(f'<text x="{left - 10}" y="{y + 14}" text-anchor="end">{html.escape(row.class_name[:24])}</text>')
        parts.append(
            f'<rect x="{left}" y="{y}" width="{row.area * scale:.1f}" height="20" rx="3" fill="{row.colour}" stroke="#1d2733" '
            'stroke-opacity=".35"/>'
        )
        if row.class_name in adjusted:
            at, half = adjusted[row.class_name]
            low, high, middle = (left + max(0.0, value) * scale for value in (at - half, at + half, at))
            # White below ink: seen on dark and on light bars.
            for colour, width in (("#fff", 5), ("#1d2733", 2)):
                parts.append(f'<path d="M{low:.1f} {y + 10}H{high:.1f}" stroke="{colour}" stroke-width="{width}"/>')
            parts.append(f'<circle cx="{middle:.1f}" cy="{y + 10}" r="5" fill="#1d2733" stroke="#fff" stroke-width="1.5"/>')
    height = 14 + len(shown) * step
    return f'<svg class="bars" viewBox="0 0 1000 {height}" role="img" aria-label="Areas of the classes">{"".join(parts)}</svg>'


def _note(adjusted: Mapping[str, tuple[float, float]], part: str, card: ModelCard | None) -> str:
    if not adjusted:
        return '<p class="quiet">Mapped areas only: no scores on other scenes are at hand, so their error is not known.</p>'
    return (
        '<p class="quiet">Bars: mapped areas. Dots: what the areas are once the errors of the model are taken out, with 95 % intervals '
        f"(Olofsson et al. 2014), from the model's errors on {html.escape(part)}. Neighbouring pixels are right or wrong together, so one "
        f"place is counted for each {PLACE_PX} &times; {PLACE_PX} pixels. It holds as far as this scene is like those.</p>"
    )


def _metrics(scores: Mapping[str, Any] | None, part: str) -> str:
    if not scores:
        return ""
    rows = [[html.escape(name), *(number_words(entry.get(key)) for key in _MEASURES)] for name, entry in scores.get("classes", {}).items()]
    overall = [f"accuracy {scores['accuracy']:.3f}", f"mean IoU {scores['mean_iou']:.3f}"]
    return (
        f"<section><h2>How good the model is</h2><p>On {html.escape(part)}: {', '.join(overall)}.</p>"
        f"{table(['Class', *_MEASURES.values()], rows)}</section>"
    )


_MEASURES = {"iou": "IoU", "precision": "Precision", "recall": "Recall", "f1": "F1"}


def _settings(layer: PolygonLayer, prediction: Prediction | None) -> Iterable[tuple[str, Any]]:
    yield from ((name, _spoken(key, layer.made.get(key))) for key, name in _SETTINGS.items())
    squared = layer.made.get("regularized") or {}
    if squared.get("classes"):
        yield "Right angles", f"{', '.join(squared['classes'])}: {squared['polygons']:,} polygons"
    for number, line in enumerate(layer.made.get("corrections", ()), 1):
        yield f"Correction {number}", line
    if prediction is not None:
        for key in ("overlap", "symmetries", "engine", "patch_size"):
            yield key.replace("_", " ").capitalize(), prediction.made.get(key)


def _spoken(key: str, value: Any) -> Any:
    """A setting as people write it: shares in percent, a size with a space before its unit."""
    if key == "threshold" and isinstance(value, (int, float)):
        return share_words(value)
    size = re.fullmatch(r"([\d.]+)(px|m2|m)", value) if isinstance(value, str) else None
    return f"{size[1]} {size[2].replace('m2', 'm²')}" if size else value


def _pairs(rows: Iterable[tuple[str, Any]]) -> str:
    cells = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>" for name, value in rows if value not in (None, "", [])
    )
    return f'<table class="pairs"><tbody>{cells}</tbody></table>'
