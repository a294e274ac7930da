"""Random label rasters for the tests of core.vector."""

from __future__ import annotations

import numpy as np

from core.vector.tracing.arcs import Arcs, trace_arcs


def random_raster(seed: int, *, longest: int = 22) -> np.ndarray:
    """A small raster of some texture: single pixels, blocks or stripes, at times with ignored areas."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, longest, 2)
    raster = rng.integers(0, rng.integers(1, 6), (height, width)).astype(np.uint8)
    if seed % 3 == 0:
        raster = np.kron(raster, np.ones((2, 3), np.uint8))
    if seed % 4 == 1:
        raster = np.where(rng.random(raster.shape) < 0.7, raster[0, 0], raster)
    if seed % 5 == 0:
        raster = np.where(rng.random(raster.shape) < 0.2, np.uint8(255), raster)
    return np.ascontiguousarray(raster)


def trace(raster: np.ndarray, *, band_rows: int | None = None) -> Arcs:
    """Arcs of a raster in memory."""
    return trace_arcs(lambda r0, r1: raster[r0:r1], *raster.shape, band_rows=band_rows or raster.shape[0])
