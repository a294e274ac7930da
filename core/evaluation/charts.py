"""Drawings for the report, as SVG inside the page: no script, no network, sharp in print."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from core.evaluation.calibration import Reliability
from core.evaluation.thresholds import ThresholdCurve
from core.words import DASH, share_words

_INK, _SOFT, _LINE = "#1f2933", "#52606d", "#d3dae1"
_BLUE, _ORANGE = "#2166ac", "#c2570c"


def bars(names: Sequence[str], colours: Sequence[str], values: np.ndarray, ends: Sequence[tuple[float, float] | None]) -> str:
    """One horizontal bar for each class, 0 to 1, with its interval as a whisker; absent classes say so."""
    left, width, step = 120, 420, 30
    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x = left + tick * width
        parts.append(f'<line x1="{x}" x2="{x}" y1="0" y2="{step * len(names)}" stroke="{_LINE}"/>')
        parts.append(_text(x, step * len(names) + 16, f"{tick:g}", anchor="middle", fill=_SOFT))
    for number, (name, colour, value, interval) in enumerate(zip(names, colours, values, ends, strict=True)):
        y = number * step
        parts.append(_text(left - 8, y + 19, name, anchor="end"))
        if np.isnan(value):
            parts.append(_text(left + 6, y + 19, "absent from the truth", fill=_SOFT))
            continue
        parts.append(
            f'<rect x="{left}" y="{y + 6}" width="{value * width:.1f}" height="18" rx="2" fill="{colour}" '
            f'stroke="{_INK}" stroke-width=".5"/>'
        )
        end = value
        if interval is not None:
            low, high = (left + side * width for side in interval)
            whisker = f"M{low:.1f} {y + 10}v10M{low:.1f} {y + 15}H{high:.1f}M{high:.1f} {y + 10}v10"
            parts += [f'<path d="{whisker}" stroke="{ink}" stroke-width="{px}" fill="none"/>' for ink, px in (("#fff", 4), (_INK, 1.5))]
            end = max(value, interval[1])
        parts.append(_text(left + end * width + 6, y + 19, f"{value:.3f}"))
    return _svg(left + width + 60, step * len(names) + 24, parts, "Score of each class")


def matrix(names: Sequence[str], counts: np.ndarray) -> str:
    """The confusion matrix: rows truth, columns prediction; shade and large number are the share of the row."""
    left, top, cell = 120, 34, 74
    rows = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0)
    parts = [_text(left + cell * len(names) / 2, 12, "predicted as", anchor="middle", fill=_SOFT)]
    for column, name in enumerate(names):
        parts.append(_text(left + (column + 0.5) * cell, 28, _short(name), anchor="middle"))
    for row, name in enumerate(names):
        y = top + row * 44
        parts.append(_text(left - 8, y + 27, name, anchor="end"))
        for column in range(len(names)):
            value, x = float(share[row, column]), left + column * cell
            fill = f"rgba({'33,102,172' if row == column else '194,87,12'},{0.9 * value:.3f})"
            ink = "#fff" if value > 0.55 else _INK
            parts.append(f'<rect x="{x}" y="{y}" width="{cell - 2}" height="42" fill="{fill}" stroke="{_LINE}"/>')
            shown = share_words(value, 1) if rows[row, 0] else DASH
            parts.append(_text(x + cell / 2 - 1, y + 19, shown, anchor="middle", fill=ink))
            parts.append(_text(x + cell / 2 - 1, y + 34, compact(int(counts[row, column])), anchor="middle", fill=ink, size=10))
    return _svg(left + cell * len(names) + 4, top + 44 * len(names) + 4, parts, "Confusion matrix")


def reliability_plot(before: Reliability, after: Reliability | None) -> str:
    """Accuracy over confidence; on the diagonal, a model is as right as it says."""
    parts = _square("confidence", "share that is right")
    parts.append(f'<path d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}" stroke="{_SOFT}" stroke-dasharray="4 4"/>')
    for one, colour, words in ((before, _BLUE, "as it is"), (after, _ORANGE, "with the fitted temperature")):
        if one is None:
            continue
        known = ~np.isnan(one.accuracy)
        parts.append(_curve(one.confidence[known], one.accuracy[known], colour, dots=True))
        place = 20 if colour == _BLUE else 38
        parts.append(
            f'<rect x="60" y="{place - 9}" width="10" height="10" fill="{colour}"/>' + _text(76, place, f"{words}: ECE {one.ece:.3f}")
        )
    return _svg(360, 330, parts, "Reliability plot")


def precision_recall(names: Sequence[str], colours: Sequence[str], curves: Sequence[ThresholdCurve]) -> str:
    """Precision over recall of each class, as the threshold moves."""
    parts = _square("recall", "precision")
    shown = 0
    for name, colour, curve in zip(names, colours, curves, strict=True):
        known = ~(np.isnan(curve.precision) | np.isnan(curve.recall))
        if not known.any():
            continue
        parts.append(_curve(curve.recall[known], curve.precision[known], colour, dots=False))
        y = 30 + 18 * shown
        parts.append(
            f'<rect x="370" y="{y - 9}" width="10" height="10" fill="{colour}" stroke="{_INK}" stroke-width=".5"/>' + _text(386, y, name)
        )
        shown += 1
    return _svg(500, 330, parts, "Precision and recall")


def compact(number: int) -> str:
    """12,345 or 1.2M: short enough for a cell."""
    if number >= 1_000_000:
        return f"{number / 1e6:.1f}M"
    return f"{number:,}"


def _square(below: str, beside: str) -> list[str]:
    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<path d="M{_x(tick)} {_y(0)}V{_y(1)}M{_x(0)} {_y(tick)}H{_x(1)}" stroke="{_LINE}"/>')
        parts.append(_text(_x(tick), 302, f"{tick:g}", anchor="middle", fill=_SOFT))
        parts.append(_text(44, _y(tick) + 4, f"{tick:g}", anchor="end", fill=_SOFT))
    parts.append(_text(_x(0.5), 322, below, anchor="middle", fill=_SOFT))
    parts.append(
        f'<text transform="translate(12 {_y(0.5)}) rotate(-90)" text-anchor="middle" font-size="12" fill="{_SOFT}">{escape(beside)}</text>'
    )
    return parts


def _curve(across: np.ndarray, up: np.ndarray, colour: str, *, dots: bool) -> str:
    points = [f"{_x(a):.1f},{_y(b):.1f}" for a, b in zip(across, up, strict=True)]
    marks = (
        "".join(f'<circle cx="{point.split(",")[0]}" cy="{point.split(",")[1]}" r="3" fill="{colour}"/>' for point in points)
        if dots
        else ""
    )
    line = f'<polyline points="{" ".join(points)}" fill="none"'
    # A dark edge below keeps light class colours visible on white.
    return f'{line} stroke="{_INK}" stroke-width="3.5" opacity=".35"/>{line} stroke="{colour}" stroke-width="2"/>{marks}'


def _x(value: float) -> float:
    return 50 + 300 * value


def _y(value: float) -> float:
    return 286 - 280 * value


def _short(name: str) -> str:
    return name if len(name) <= 11 else f"{name[:10]}…"


def _text(x: float, y: float, words: str, *, anchor: str = "start", fill: str = _INK, size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{fill}">{escape(words)}</text>'


def _svg(width: float, height: float, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )
