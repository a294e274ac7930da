"""Charts of a training run and of class shares, drawn with plotly in the theme's colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.classes import ClassScheme
from core.plain import in_chart
from core.words import share_words

# Panel -> (key in the epoch's record, legend name, dashed). Training and validation keep one colour each in all panels.
_PANELS = {
    "Loss": (("loss", "training"), ("val_loss", "validation")),
    "Mean IoU": (("mean_iou", "training"), ("val_mean_iou", "validation")),
}
_LEFT = {"Loss": 0.0, "Mean IoU": 0.545}
"""Where the titles of the panels begin, as a part of the width."""
_LEAST_STEPS = 100
"""An axis of steps is not made shorter than half of this."""
COLOURS = {"training": "#6E8791", "validation": "#15877C", "learning rate": "#C26A12"}


def smoothed(values: Sequence[float | None], weight: float) -> list[float | None]:
    """Exponential moving average of a curve, corrected for its start as in Adam's moments; gaps (None) stay gaps."""
    out: list[float | None] = []
    mean, steps = 0.0, 0
    for value in values:
        if value is None:
            out.append(None)
            continue
        mean, steps = weight * mean + (1 - weight) * value, steps + 1
        out.append(mean / (1 - weight**steps) if weight else value)
    return out


def curves(
    epochs: Sequence[Mapping],
    *,
    total: int | None = None,
    smoothing: float = 0.0,
    log: bool = False,
    best: int | None = None,
    ink: str | None = None,
) -> go.Figure:
    """Loss and mean IoU over the epochs of `total`; `best` marks the epoch whose weights are kept.

    `ink`: the colour of the panels' titles. Streamlit gives the theme's to the title of a figure, but not to those of its panels.
    """
    figure = make_subplots(rows=1, cols=len(_PANELS), subplot_titles=list(_PANELS), horizontal_spacing=0.09)
    x = [record["epoch"] for record in epochs]
    named: set[str] = set()
    for column, lines in enumerate(_PANELS.values(), start=1):
        for key, name in lines:
            y = [record.get(key) for record in epochs]
            if all(value is None for value in y):
                continue
            figure.add_scatter(
                x=x,
                y=smoothed(y, smoothing),
                name=name,
                legendgroup=name,
                showlegend=name not in named,
                mode=_mode(x),
                line={"color": COLOURS[name], "width": 2},
                marker={"size": 5},
                hovertemplate="%{y:.4g}",
                row=1,
                col=column,
            )
            named.add(name)
        if best is not None:
            figure.add_vline(x=best, line={"width": 1, "dash": "dot", "color": "#8A979C"}, row=1, col=column)
    if log:
        figure.update_yaxes(type="log", row=1, col=1)
    figure.update_yaxes(range=[0, 1], row=1, col=2)
    figure.update_xaxes(**_epochs(x, total))
    for title in figure.layout.annotations:
        title.update(x=_LEFT[title.text], xanchor="left", text=f"<b>{title.text}</b>", font={"size": 14, "color": ink})
    figure.update_layout(
        height=235,
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        hovermode="x unified",
        uirevision="curves",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "xanchor": "right", "x": 1},
    )
    return figure


def step_curve(at: Sequence[int], loss: Sequence[float], *, steps: int, title: str, before: float | None = None) -> go.Figure:
    """The `loss` of an epoch at some of its `steps`; `before` is the mean of the epoch before."""
    figure = go.Figure(
        go.Scatter(
            x=at,
            y=loss,
            mode=_mode(at),
            name="training",
            hovertemplate="%{y:.4g}",
            line={"color": COLOURS["training"], "width": 2},
            marker={"size": 5},
        )
    )
    if before is not None:
        figure.add_hline(y=before, line={"width": 1, "dash": "dot", "color": "#8A979C"}, annotation_text="mean of the epoch before")
    shown = max(steps, 2)
    while at and at[-1] <= shown // 2 and shown >= _LEAST_STEPS:  # a long epoch's first minutes would be a stroke at the edge
        shown //= 2
    figure.update_xaxes(range=[0.5, shown + 0.5], title="step")
    figure.update_layout(
        height=190,
        title={"text": title, "font": {"size": 14}},
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        hovermode="x unified",
        uirevision="steps",
        showlegend=False,
    )
    return figure


def rate_curve(epochs: Sequence[Mapping], *, total: int | None = None) -> go.Figure:
    """The learning rate over the epochs, on a logarithmic axis."""
    x = [record["epoch"] for record in epochs]
    figure = go.Figure(
        go.Scatter(
            x=x,
            y=[record.get("learning_rate") for record in epochs],
            mode=_mode(x),
            hovertemplate="%{y:.3g}",
            name="learning rate",
            line={"color": COLOURS["learning rate"], "width": 2},
            marker={"size": 5},
        )
    )
    rates = sorted({record["learning_rate"] for record in epochs if record.get("learning_rate")})
    ticks = sorted({*rates[:1], *rates[-1:]})  # its ends; decades alone would leave most runs without a number
    figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{rate:.2g}" for rate in ticks])
    figure.update_xaxes(**_epochs(x, total), title="epoch")
    figure.update_layout(
        height=230,
        title={"text": "Learning rate", "font": {"size": 14}},
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        hovermode="x unified",
        uirevision="rate",
        showlegend=False,
    )
    return figure


def class_curves(lines: Mapping[str, Sequence[tuple[int, float | None]]], scheme: ClassScheme, *, total: int | None = None) -> go.Figure:
    """Validation IoU of each class over the epochs, as points (epoch, IoU), in the classes' own colours."""
    figure = go.Figure()
    for k, name in enumerate(scheme.names):
        points = lines.get(name, ())
        x = [epoch for epoch, _ in points]
        figure.add_scatter(
            x=x,
            y=[value for _, value in points],
            name=in_chart(name),
            mode=_mode(x),
            line={"color": scheme.hex(k), "width": 2.5},
            marker={"size": 5},
            hovertemplate="%{y:.3f}",
        )
    every = [epoch for points in lines.values() for epoch, _ in points]
    figure.update_yaxes(range=[0, 1])
    figure.update_xaxes(**_epochs(sorted(every), total), title="epoch")
    figure.update_layout(
        height=230,
        title={"text": "Validation IoU of each class", "font": {"size": 14}},
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        hovermode="x unified",
        uirevision="classes",
    )
    return figure


def _mode(x: Sequence) -> str:
    return "lines+markers" if len(x) < 40 else "lines"


def _epochs(x: Sequence[int], total: int | None) -> dict:
    """Range and ticks of an axis of epochs: whole numbers, eight at most."""
    last = max(total or 0, x[-1] if x else 0, 2)
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000) if last <= 8 * step or step == 10_000)
    return {"range": [0.5, last + 0.5], "tick0": 0, "dtick": step}


def shares(scheme: ClassScheme, values: Sequence[float], *, height: int = 210, title: str = "share of pixels") -> go.Figure:
    """Bars of one fraction (0..1) per class, in the classes' own colours."""
    colours = [scheme.hex(k) for k in range(len(scheme))]
    figure = go.Figure(
        go.Bar(
            x=[100 * value for value in values],
            y=[in_chart(name) for name in scheme.names],
            orientation="h",
            text=[share_words(value, 1) for value in values],
            textposition="auto",
            marker={"color": colours, "line": {"width": 1, "color": "rgba(128,128,128,.5)"}},
            hovertemplate="%{y}: %{x:.2f} %<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title=f"{title}, %", rangemode="tozero")
    figure.update_layout(height=height, margin={"l": 8, "r": 8, "t": 8, "b": 8}, showlegend=False)
    return figure
