"""Which polygons of a layer a map's filter leaves: one rule for what is drawn, what is corrected at once, and what goes into a file.

The same rule stands in `passes` of static/map/map.js, which filters without asking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.vector.layer import PolygonLayer

MEASURE_DIGITS = 3
"""To how many digits a map knows areas and confidences; what is filtered by them is rounded likewise."""


@dataclass(frozen=True)
class Filter:
    """What a polygon has to be to be left.

    hidden: class ids that are not. search: how its id begins. area_from, area_to: its area in the layer's unit (m2 or px), limits
    included. sure: its mean confidence at least, 0 to 1; one that is not known is taken for a high one.
    """

    hidden: tuple[int, ...] = ()
    search: str = ""
    area_from: float | None = None
    area_to: float | None = None
    sure: float = 0.0

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Filter:
        """The filter as a map tells it: `hidden`, `search`, `from`, `to`, and `sure` in percent; what is missing filters nothing.

        Raises TypeError or ValueError for what is no filter.
        """
        first, last = (None if told.get(name) is None else float(told[name]) for name in ("from", "to"))
        hidden = tuple(int(class_id) for class_id in told.get("hidden") or ())
        return cls(hidden, str(told.get("search") or ""), first, last, float(told.get("sure") or 0) / 100)

    def passes(self, layer: PolygonLayer) -> np.ndarray:
        """Which of the layer's polygons are left, bool (n,)."""
        frame = layer.frame
        left = ~frame["class_id"].isin(self.hidden).to_numpy()
        area = frame[layer.area_column].to_numpy(float).round(MEASURE_DIGITS)
        if self.area_from is not None:
            left &= area >= self.area_from
        if self.area_to is not None:
            left &= area <= self.area_to
        if self.sure and "mean_confidence" in frame:
            left &= ~(frame["mean_confidence"].to_numpy(float).round(MEASURE_DIGITS) < self.sure)
        if self.search:
            left &= frame["id"].astype(str).str.startswith(self.search).to_numpy()
        return left


NO_FILTER = Filter()


def left_by(layer: PolygonLayer, passes: np.ndarray | Sequence[bool]) -> PolygonLayer:
    """The layer with those of its polygons that `passes`, bool (n,)."""
    return replace(layer, frame=layer.frame[np.asarray(passes, bool)].reset_index(drop=True))
