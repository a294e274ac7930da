"""`with_temperature` for every pixel of a scene: NumPy's logarithms and powers took as long as a small network."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from core.prediction.blend.kernels import temper
from core.prediction.temperature import with_temperature

_CELLS = 4096
_FLATTEST = 2.0
"""Above this temperature powers are steeper near 0 than straight lines can follow."""


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities float32 (h, w, K) as `with_temperature` gives them, to 1e-5."""
    if temperature == 1.0 or temperature > _FLATTEST:
        return with_temperature(probabilities, temperature)
    out = np.empty(probabilities.shape, np.float32)
    temper(np.ascontiguousarray(probabilities, np.float32), _powers(temperature), out)
    return out


@lru_cache(maxsize=4)
def _powers(temperature: float) -> np.ndarray:
    """What the squares of 0, 1 / 4096, ... 1 become, float32: steps are narrow where small probabilities lie."""
    return (np.linspace(0, 1, _CELLS + 1) ** (2 / temperature)).astype(np.float32)
