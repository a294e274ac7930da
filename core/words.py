"""Areas and lengths as people read them."""

from __future__ import annotations


def area_words(area: float, units: str, *, like: float | None = None) -> str:
    """An area in the unit that reads best for it, or for the area `like`: m², ha or km²; px where metres are not known (units "px")."""
    if units != "m":
        return f"{area:,.0f} px"
    like = area if like is None else like
    for size, name in ((1e6, "km²"), (1e4, "ha")):
        if like >= size:
            return f"{area / size:,.2f} {name}"
    return f"{area:,.0f} m²" if like >= 100 else f"{area:,.1f} m²"


def length_words(length: float, units: str) -> str:
    """A length in the unit that reads best: m or km; px where metres are not known (units "px")."""
    if units != "m":
        return f"{length:,.0f} px"
    return f"{length / 1000:,.2f} km" if length >= 1000 else f"{length:,.0f} m"
