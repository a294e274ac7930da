"""Areas as people read them."""

from __future__ import annotations


def area_words(area: float, units: str) -> str:
    """An area in the unit that reads best: m², ha or km²; px where metres are not known (units "px")."""
    if units != "m":
        return f"{area:,.0f} px"
    for size, name in ((1e6, "km²"), (1e4, "ha")):
        if area >= size:
            return f"{area / size:,.2f} {name}"
    return f"{area:,.0f} m²" if area >= 100 else f"{area:,.1f} m²"
