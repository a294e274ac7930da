"""Charts of what is measured before a run, and of several runs over each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from core.plain import in_chart
from ui.charts import COLOURS, smoothed

# Distinct for people with a colour vision deficiency (Okabe and Ito 2008), and readable on white and on near-black.
RUN_COLOURS = ("#0F8074", "#D55E00", "#4C7FD0", "#B25592", "#B8860B", "#7A8890", "#2FA84F", "#8C6BB1")
_MARGIN = {"l": 8, "r": 8, "t": 34, "b": 8}


def rate_test(found: Mapping[str, Any]) -> go.Figure:
    """Loss over the learning rate, each step and smoothed, with the suggested rate."""
    figure = go.Figure()
    figure.add_scatter(
        x=found["rates"],
        y=found["losses"],
        name="each step",
        mode="lines",
        line={"width": 1, "color": COLOURS["training"]},
        opacity=0.5,
        hovertemplate="%{y:.4g}",
    )
    figure.add_scatter(
        x=found["rates"],
        y=found["smoothed"],
        name="smoothed",
        mode="lines",
        line={"width": 2.5, "color": COLOURS["validation"]},
        hovertemplate="%{y:.4g}",
    )
    if found["suggested"]:
        # Positions on a logarithmic axis are given to shapes as they are, and to annotations as powers of ten.
        figure.add_vline(x=found["suggested"], line={"width": 2, "dash": "dot", "color": COLOURS["learning rate"]})
        figure.add_annotation(
            x=math.log10(found["suggested"]),
            y=1,
            yref="paper",
            yanchor="bottom",
            text=f"suggested {found['suggested']:.2g}",
            showarrow=False,
        )
    span = [value for value in found["smoothed"] if value is not None and math.isfinite(value)]
    if span:  # the last steps of a run that ran away would flatten everything else
        low, high = min(span), max(span[0], min(max(span), 2 * span[0]))
        figure.update_yaxes(range=[low - 0.1 * (high - low), high + 0.1 * (high - low)])
    figure.update_xaxes(type="log", exponentformat="power", title="learning rate")
    figure.update_yaxes(title="loss")
    figure.update_layout(
        height=300, margin=_MARGIN, hovermode="x unified", legend={"orientation": "h", "y": 1.12, "x": 0}, uirevision="rates"
    )
    return figure


def batch_sizes(sizes: Sequence[Mapping[str, Any]], proposed: int) -> go.Figure:
    """Patches per second of each batch size that was tried; the proposed one stands out."""
    x = [str(each["batch_size"]) for each in sizes]
    memory = [f"{each['peak_memory_mib'] / 1024:.1f} GiB" if each["fits"] else "does not fit" for each in sizes]
    figure = go.Figure(
        go.Bar(
            x=x,
            y=[each["patches_per_s"] or 0 for each in sizes],
            text=memory,
            textposition="outside",
            cliponaxis=False,
            marker={"color": [COLOURS["validation"] if each["batch_size"] == proposed else "#9FB0B5" for each in sizes]},
            hovertemplate="batches of %{x}: %{y:.1f} patches per second, %{text}<extra></extra>",
        )
    )
    figure.update_xaxes(title="batch size", type="category")
    figure.update_yaxes(title="patches per second", rangemode="tozero")
    figure.update_layout(height=230, margin={**_MARGIN, "t": 28}, uirevision="sizes")
    return figure


def search(found: Mapping[str, Any]) -> go.Figure:
    """Score over the learning rate, one line per batch size and filters; larger marks went more rounds, the star is the best."""
    figure = go.Figure()
    trials = [trial for trial in found["trials"] if trial["score"] is not None]
    for number, (size, filters) in enumerate(sorted({_line_of(trial) for trial in found["trials"]})):
        line = sorted((trial for trial in trials if _line_of(trial) == (size, filters)), key=lambda trial: trial["learning_rate"])
        colour = RUN_COLOURS[number % len(RUN_COLOURS)]
        figure.add_scatter(
            x=[trial["learning_rate"] for trial in line],
            y=[trial["score"] for trial in line],
            name=f"batches of {size}" + (f", {filters} filters" if filters else ""),
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"size": [7 + 4 * trial["rounds"] for trial in line]},
            customdata=[[trial["epochs"], trial["state"]] for trial in line],
            hovertemplate="%{y:.3f} after %{customdata[0]} epochs, %{customdata[1]}",
        )
    best = found.get("best")
    if best:
        figure.add_scatter(
            x=[best["learning_rate"]],
            y=[best["score"]],
            name="best",
            mode="markers",
            hoverinfo="skip",
            marker={"symbol": "star", "size": 18, "color": "#F0B429", "line": {"width": 1, "color": "#17262B"}},
        )
    names = {"val_mean_iou": "validation mean IoU", "val_accuracy": "validation accuracy", "val_loss": "validation loss", "loss": "loss"}
    rates = sorted({trial["learning_rate"] for trial in found["trials"]})
    figure.update_xaxes(type="log", tickvals=rates, ticktext=[f"{rate:g}" for rate in rates], title="learning rate")
    figure.update_yaxes(title=f"best {names.get(found['monitor'], found['monitor'])}")
    figure.update_layout(
        height=300, margin=_MARGIN, hovermode="x unified", legend={"orientation": "h", "y": 1.12, "x": 0}, uirevision="search"
    )
    return figure


def _line_of(trial: Mapping[str, Any]) -> tuple[int, int]:
    """Batch size of a trial and filters of its finest level, 0 where none were searched over."""
    return trial["batch_size"], (trial.get("filters") or [0])[0]


def compared(
    curves: Mapping[str, Sequence[tuple[float, float | None]]], *, title: str, unit: str, smoothing: float = 0.0, log: bool = False
) -> go.Figure:
    """One curve of (x, y) points for each run, laid over each other."""
    figure = go.Figure()
    for number, (name, points) in enumerate(curves.items()):
        y = smoothed([value for _, value in points], smoothing)
        figure.add_scatter(
            x=[place for place, _ in points],
            y=y,
            name=in_chart(name),
            mode="lines+markers" if len(points) < 40 else "lines",
            line={"color": RUN_COLOURS[number % len(RUN_COLOURS)], "width": 2.5},
            marker={"size": 5},
            hovertemplate="%{y:.4g}",
        )
    figure.update_xaxes(title=unit)
    figure.update_yaxes(type="log" if log else "linear", title=title)
    figure.update_layout(
        height=330,
        margin={**_MARGIN, "t": 40},
        hovermode="x unified",
        uirevision="compared",
        legend={"orientation": "h", "y": 1.14, "x": 0},
    )
    return figure


def class_bars(scores: Mapping[str, Mapping[str, float | None]]) -> go.Figure:
    """IoU of each class at the best epoch of each run: {run: {class: IoU}}."""
    figure = go.Figure()
    for number, (run, classes) in enumerate(scores.items()):
        figure.add_bar(
            x=[in_chart(name) for name in classes],
            y=list(classes.values()),
            name=in_chart(run),
            marker={"color": RUN_COLOURS[number % len(RUN_COLOURS)]},
            hovertemplate="%{y:.3f}",
        )
    figure.update_yaxes(range=[0, 1], title="IoU")
    figure.update_layout(height=300, margin=_MARGIN, barmode="group", hovermode="x unified", showlegend=False)
    return figure
