"""Charts of an evaluation. Blue is right and orange is wrong: the pair that all kinds of colour blindness tell apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.classes import ClassScheme
from core.evaluation.areas import AdjustedAreas
from core.evaluation.calibration import Reliability
from core.evaluation.charts import compact
from core.evaluation.comparing import Comparison
from core.evaluation.result import Evaluation
from core.evaluation.thresholds import ThresholdCurve
from core.plain import in_chart
from core.words import share_words

BLUE, ORANGE, GREY = "#3B82C4", "#D9731A", "#8A979C"
_GROUNDS = {False: (255, 255, 255), True: (18, 25, 29)}  # of the light and the dark theme
_EDGE = {"width": 1, "color": "rgba(128,128,128,.6)"}
SCORES = {"iou": "IoU", "precision": "Precision", "recall": "Recall", "f1": "F1", "boundary_iou": "Boundary IoU"}
_TIGHT = {"l": 8, "r": 8, "t": 34, "b": 8}


def confusion(scheme: ClassScheme, counts: np.ndarray, by: str, *, dark: bool = False) -> go.Figure:
    """The confusion matrix, rows truth: `by` "counts", "row" (of what is there) or "column" (of what was predicted).

    counts: int (K, K). Right cells are blue, wrong ones orange; the deeper, the larger the share. `dark` is the theme.
    """
    names, size = [in_chart(name) for name in scheme.names], len(scheme)
    shares = {"row": _share(counts, 1), "column": _share(counts, 0), "counts": counts / max(1, counts.sum())}
    depth = np.sqrt(shares["counts"] / max(shares["counts"].max(), 1e-12)) if by == "counts" else shares[by]
    right = np.eye(size, dtype=bool)
    hover = [[_hover(names, counts, shares, row, col) for col in range(size)] for row in range(size)]
    figure = go.Figure()
    for where, hue in ((right, BLUE), (~right, ORANGE)):
        figure.add_heatmap(
            z=np.where(where, np.nan_to_num(depth), np.nan),
            x=names,
            y=names,
            text=hover,
            hovertemplate="%{text}<extra></extra>",
            hoverongaps=False,
            showscale=False,
            zmin=0,
            zmax=1,
            xgap=2,
            ygap=2,
            colorscale=[[0, _css(_blend(hue, 0.05, dark))], [1, _css(_blend(hue, 1, dark))]],
        )
    for row in range(size):
        for col in range(size):
            value = shares[by][row, col]
            words = compact(int(counts[row, col])) if by == "counts" else share_words(value, 1)
            cell = _blend(BLUE if row == col else ORANGE, 0.05 + 0.95 * float(np.nan_to_num(depth[row, col])), dark)
            ink = "#0B1114" if _luminance(cell) > 0.19 else "#FFFFFF"
            figure.add_annotation(x=names[col], y=names[row], text=words, showarrow=False, font={"color": ink, "size": 13})
    figure.update_yaxes(autorange="reversed", title="truth (mask)", showgrid=False)
    figure.update_xaxes(title="predicted as", side="top", showgrid=False)
    figure.update_layout(height=90 + 46 * size, margin={**_TIGHT, "t": 8})
    return figure


def class_bars(evaluation: Evaluation, scheme: ClassScheme) -> go.Figure:
    """Five panels of bars by class in the classes' colours, with 95 % intervals as whiskers where there are some."""
    names = [in_chart(name) for name in scheme.names]
    figure = make_subplots(rows=1, cols=len(SCORES), shared_yaxes=True, subplot_titles=list(SCORES.values()), horizontal_spacing=0.025)
    for column, key in enumerate(SCORES, 1):
        values = getattr(evaluation, key) if key == "boundary_iou" else getattr(evaluation.confusion, key)
        ends = [evaluation.intervals.of(key, number) for number in range(len(scheme))]
        whiskers = {
            "type": "data",
            "symmetric": False,
            "color": GREY,
            "thickness": 1.5,
            "width": 4,
            "array": [None if end is None else max(0.0, end[1] - value) for end, value in zip(ends, values, strict=True)],
            "arrayminus": [None if end is None else max(0.0, value - end[0]) for end, value in zip(ends, values, strict=True)],
        }
        hover = [
            f"{name}<br>{SCORES[key]} {value:.3f}" + ("" if end is None else f"<br>95 %: {end[0]:.3f} to {end[1]:.3f}")
            for name, value, end in zip(names, values, ends, strict=True)
        ]
        figure.add_bar(
            x=values,
            y=names,
            orientation="h",
            row=1,
            col=column,
            error_x=whiskers if any(ends) else None,
            showlegend=False,
            marker={"color": [scheme.hex(k) for k in range(len(scheme))], "line": _EDGE},
            text=hover,
            textposition="none",
            hovertemplate="%{text}<extra></extra>",
        )
        for name, value in zip(names, values, strict=True):
            figure.add_annotation(
                x=0.02,
                y=name,
                text="absent" if np.isnan(value) else f"<b>{value:.2f}</b>",
                showarrow=False,
                xanchor="left",
                row=1,
                col=column,
                font={"size": 12},
                yshift=19,
            )
    figure.update_xaxes(range=[0, 1.02], tickvals=[0, 0.5, 1])
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_annotations(font_size=13)
    figure.update_layout(height=70 + 52 * len(scheme), margin=_TIGHT, bargap=0.62)
    return figure


def reliability(before: Reliability, after: Reliability | None) -> go.Figure:
    """Share that is right over the confidence, above the share of pixels by confidence; the diagonal is perfect."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.78, 0.22], vertical_spacing=0.04)
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dash", "color": GREY, "width": 1.5}, name="perfect", hoverinfo="skip", row=1, col=1
    )
    for one, colour, symbol, name in ((before, BLUE, "circle", "as it is"), (after, ORANGE, "diamond", "with the fitted temperature")):
        if one is None:
            continue
        known = ~np.isnan(one.accuracy)
        figure.add_scatter(
            x=one.confidence[known],
            y=one.accuracy[known],
            mode="lines+markers",
            name=f"{name}: ECE {one.ece:.3f}",
            line={"color": colour, "width": 2},
            marker={"size": 8, "symbol": symbol},
            customdata=one.pixels[known],
            hovertemplate="sure to %{x:.2f}: right in %{y:.2f}<br>%{customdata:,} pixels<extra></extra>",
            row=1,
            col=1,
        )
        figure.add_bar(
            x=(one.edges[:-1] + one.edges[1:]) / 2,
            y=one.pixels / max(1, one.pixels.sum()),
            marker={"color": colour},
            showlegend=False,
            hovertemplate="%{y:.1%} of the pixels<extra></extra>",
            row=2,
            col=1,
        )
    figure.update_xaxes(range=[0, 1.01])
    figure.update_xaxes(title="confidence of the model", row=2, col=1)
    figure.update_yaxes(range=[0, 1.01], title="share that is right", row=1, col=1)
    figure.update_yaxes(title="pixels", tickformat=".0%", nticks=3, row=2, col=1)
    figure.update_layout(height=440, margin={**_TIGHT, "t": 8}, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    return figure


def thresholds(curve: ThresholdCurve, chosen: float) -> go.Figure:
    """Precision, recall and F1 over the threshold, and what was chosen."""
    figure = go.Figure()
    for key, name, colour, dash in (
        ("precision", "precision", BLUE, "solid"),
        ("recall", "recall", ORANGE, "dash"),
        ("f1", "F1", GREY, "dot"),
    ):
        figure.add_scatter(
            x=curve.threshold,
            y=getattr(curve, key),
            mode="lines",
            name=name,
            line={"color": colour, "width": 2.5, "dash": dash},
            hovertemplate="%{y:.3f}",
        )
    figure.add_vline(x=chosen, line={"width": 2, "color": "#15877C"})
    figure.update_xaxes(range=[0, 1], title="threshold of the probability")
    figure.update_yaxes(range=[0, 1.02])
    figure.update_layout(
        height=320, margin=_TIGHT, hovermode="x unified", legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    )
    return figure


def precision_recall(evaluation: Evaluation, scheme: ClassScheme, name: str, chosen: float) -> go.Figure:
    """Precision over recall of all classes in their colours, the chosen one strong, with the place of its threshold."""
    figure = go.Figure()
    for number, other in enumerate(scheme.names):
        curve = evaluation.thresholds(other)
        if np.isnan(curve.recall).all():
            continue
        strong = other == name
        figure.add_scatter(
            x=curve.recall,
            y=curve.precision,
            mode="lines",
            name=in_chart(other),
            line={"color": scheme.hex(number), "width": 4 if strong else 2},
            opacity=1 if strong else 0.55,
            customdata=curve.threshold,
            hovertemplate=f"{in_chart(other)}<br>threshold %{{customdata:.2f}}<br>recall %{{x:.3f}}, precision %{{y:.3f}}<extra></extra>",
        )
    now = evaluation.thresholds(name).at(chosen)
    figure.add_scatter(
        x=[now["recall"]],
        y=[now["precision"]],
        mode="markers",
        showlegend=False,
        hoverinfo="skip",
        marker={"size": 13, "color": "#15877C", "line": {"width": 2, "color": "#fff"}},
    )
    figure.update_xaxes(range=[0, 1.02], title="recall")
    figure.update_yaxes(range=[0, 1.02], title="precision")
    figure.update_layout(height=320, margin=_TIGHT, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    return figure


def areas(found: AdjustedAreas, scheme: ClassScheme, unit: str) -> go.Figure:
    """Areas as mapped and as estimated with their 95 % intervals."""
    figure = go.Figure()
    names, colours = [in_chart(name) for name in scheme.names], [scheme.hex(k) for k in range(len(scheme))]
    figure.add_bar(
        x=names,
        y=found.mapped,
        name="as mapped",
        marker={"color": colours, "opacity": 0.4, "line": _EDGE},
        hovertemplate="%{x}, as mapped: %{y:,.0f} " + unit + "<extra></extra>",
    )
    figure.add_bar(
        x=names,
        y=found.estimated,
        name="error-adjusted",
        marker={"color": colours, "line": _EDGE},
        error_y={"type": "data", "array": found.half_width, "color": GREY, "thickness": 2},
        customdata=found.half_width,
        hovertemplate="%{x}, adjusted: %{y:,.0f} ± %{customdata:,.0f} " + unit + "<extra></extra>",
    )
    figure.update_yaxes(title=f"area, {unit}", rangemode="tozero")
    figure.update_layout(height=320, margin={**_TIGHT, "t": 8}, barmode="group", showlegend=False)
    return figure


def differences(found: Comparison) -> go.Figure:
    """Second minus first with 95 % intervals: blue is better, orange worse, grey cannot be told."""
    rows = [row for row in found.rows if not np.isnan(row.difference)]
    names = [in_chart(score_name(row.score, row.name)) for row in rows]
    colours = [GREY if not row.clear else BLUE if row.difference > 0 else ORANGE for row in rows]
    known = [row.low is not None for row in rows]
    whiskers = {
        "type": "data",
        "symmetric": False,
        "thickness": 2,
        "width": 5,
        "array": [row.high - row.difference if sure else None for row, sure in zip(rows, known, strict=True)],
        "arrayminus": [row.difference - row.low if sure else None for row, sure in zip(rows, known, strict=True)],
    }
    figure = go.Figure(
        go.Scatter(
            x=[row.difference for row in rows],
            y=names,
            mode="markers",
            marker={"color": colours, "size": 11, "line": _EDGE},
            error_x={**whiskers, "color": GREY},
            hovertemplate="%{y}: %{x:+.3f}<extra></extra>",
        )
    )
    figure.add_vline(x=0, line={"width": 1.5, "color": GREY, "dash": "dash"})
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title="second minus first")
    figure.update_layout(height=70 + 27 * len(rows), margin={**_TIGHT, "t": 8}, showlegend=False)
    return figure


def side_by_side(found: Comparison) -> go.Figure:
    """The scores of both as pairs of bars."""
    rows = [row for row in found.rows if not (np.isnan(row.first) and np.isnan(row.second))]
    names = [in_chart(score_name(row.score, row.name)) for row in rows]
    figure = go.Figure()
    for side, colour, pattern, title in (("first", ORANGE, "/", found.first), ("second", BLUE, "", found.second)):
        values: Sequence[float] = [getattr(row, side) for row in rows]
        figure.add_bar(
            x=names,
            y=values,
            name=in_chart(title),
            marker={"color": colour, "pattern": {"shape": pattern}},
            text=[f"{value:.2f}" for value in values],
            textposition="outside",
            hovertemplate="%{x}: %{y:.3f}<extra></extra>",
        )
    figure.update_yaxes(range=[0, 1.05])
    figure.update_layout(height=340, margin=_TIGHT, barmode="group", legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    return figure


def score_name(score: str, name: str | None) -> str:
    """A score in words: "mean IoU", "IoU of Road"."""
    if name is not None:
        return f"IoU of {name}"
    return {"accuracy": "accuracy", "mean_iou": "mean IoU", "micro_iou": "micro IoU", "mean_f1": "mean F1", "kappa": "kappa"}[score]


def _blend(hue: str, share: float, dark: bool) -> tuple[float, ...]:
    """Red, green, blue (0 to 255) of `hue` laid with that share over the theme's ground."""
    return tuple(share * value + (1 - share) * ground for value, ground in zip(bytes.fromhex(hue[1:]), _GROUNDS[dark], strict=True))


def _css(colour: tuple[float, ...]) -> str:
    return f"rgb({','.join(f'{value:.0f}' for value in colour)})"


def _luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance (WCAG 2): where it is above 0.19, near-black words have the better contrast."""
    linear = [value / 255 / 12.92 if value / 255 <= 0.04045 else ((value / 255 + 0.055) / 1.055) ** 2.4 for value in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _share(counts: np.ndarray, axis: int) -> np.ndarray:
    total = counts.sum(axis=axis, keepdims=True).astype(float)
    return np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)


def _hover(names: list[str], counts: np.ndarray, shares: dict[str, np.ndarray], row: int, col: int) -> str:
    told = f"<b>{names[row]} taken for {names[col]}</b>" if row != col else f"<b>{names[row]}, right</b>"
    of_row, of_col = shares["row"][row, col], shares["column"][row, col]
    parts = [told, f"{counts[row, col]:,} pixels"]
    parts += [] if np.isnan(of_row) else [f"{share_words(of_row, 1)} of what is {names[row]}"]
    parts += [] if np.isnan(of_col) else [f"{share_words(of_col, 1)} of what was predicted as {names[col]}"]
    return "<br>".join(parts)
