"""Resizing by rows and by columns as they come, with the weights of `core.scenes.resampling` and a compiled kernel."""

from __future__ import annotations

import numpy as np

from core.prediction.blend.kernels import mix_cols, mix_rows
from core.scenes.resampling import Taps


def resize_rows(source: np.ndarray, source_first: int, by: Taps, start: int, stop: int) -> np.ndarray:
    """Outputs start..stop - 1 along axis 0 of `source` (n, w, K), whose row 0 is input `source_first`; float32."""
    out = np.empty((stop - start, *source.shape[1:]), np.float32)
    mix_rows(np.ascontiguousarray(source), source_first, by.first[start:stop], by.share[start:stop], out)
    return out


def resize_cols(source: np.ndarray, source_first: int, by: Taps, start: int, stop: int) -> np.ndarray:
    """The same along axis 1."""
    out = np.empty((source.shape[0], stop - start, source.shape[2]), np.float32)
    mix_cols(source, source_first, by.first[start:stop], by.share[start:stop], out)
    return out
