"""Random fields and light: what every drawn scene is made of."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage


def generator(seed: int, *stream: int) -> np.random.Generator:
    """Return the random generator of one stage, so that a change in one stage leaves the others as they were."""
    return np.random.default_rng([int(seed), *stream])


def smoothstep(low: float, high: float, values: np.ndarray) -> np.ndarray:
    """Return 0 below `low`, 1 above `high` and a smooth ramp between; works downwards too when low > high."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def mix(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Blend two colours or (h, w, 3) images by a (h, w) share of the second."""
    return first + (second - first) * share[..., None]


def value_noise(rng: np.random.Generator, shape: tuple[int, int], cell_px: float | tuple[float, float]) -> np.ndarray:
    """Return smooth noise (h, w) float32 with about zero mean and unit deviation, one free value per cell."""
    height, width = shape
    cell_y, cell_x = (cell_px, cell_px) if np.isscalar(cell_px) else cell_px
    rows, columns = int(np.ceil(height / cell_y)) + 3, int(np.ceil(width / cell_x)) + 3
    grid = rng.standard_normal((rows, columns)).astype(np.float32)
    off_y, off_x = rng.random(2)
    box = (1 + off_x, 1 + off_y, 1 + off_x + width / cell_x, 1 + off_y + height / cell_y)
    image = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.asarray(image, dtype=np.float32)


def fractal(
    rng: np.random.Generator,
    shape: tuple[int, int],
    cell_px: float | tuple[float, float],
    *,
    octaves: int = 4,
    gain: float = 0.55,
) -> np.ndarray:
    """Return fractal noise (h, w) float32, zero mean and unit deviation: octaves of value noise, each twice as fine."""
    total = np.zeros(shape, dtype=np.float32)
    cells = np.array([cell_px, cell_px] if np.isscalar(cell_px) else cell_px, dtype=float)
    for octave in range(octaves):
        size = np.maximum(cells / 2**octave, 1.0)
        total += gain**octave * value_noise(rng, shape, (size[0], size[1]))
    return total / np.float32(np.sqrt(sum(gain ** (2 * k) for k in range(octaves))) * 0.72)


def warp_image(field: np.ndarray, shift_y: np.ndarray, shift_x: np.ndarray) -> np.ndarray:
    """Return the (h, w) field sampled at positions moved by the shifts (pixels), mirrored at the rim."""
    rows, columns = np.indices(field.shape, dtype=np.float32)
    return ndimage.map_coordinates(field, [rows + shift_y, columns + shift_x], order=1, mode="mirror")


def signed_distance(inside: np.ndarray) -> np.ndarray:
    """Return the distance in pixels to the border of a boolean mask (h, w): negative inside, positive outside."""
    if inside.all() or not inside.any():
        return np.full(inside.shape, -1e4 if inside.all() else 1e4, dtype=np.float32)
    out = ndimage.distance_transform_edt(~inside)
    into = ndimage.distance_transform_edt(inside)
    return np.where(inside, 0.5 - into, out - 0.5).astype(np.float32)


def sun_vector(azimuth_deg: float) -> tuple[float, float]:
    """Return the unit (row, column) direction towards the sun, azimuth clockwise from north (up)."""
    angle = np.deg2rad(azimuth_deg)
    return -float(np.cos(angle)), float(np.sin(angle))


def hillshade(relief_m: np.ndarray, azimuth_deg: float, *, gsd_m: float) -> np.ndarray:
    """Return the slope towards the sun (h, w): positive faces it, 1 is 45 degrees."""
    row, column = sun_vector(azimuth_deg)
    down, right = np.gradient(relief_m, gsd_m)
    return -(down * row + right * column).astype(np.float32)


def cast_shadows(height_m: np.ndarray, azimuth_deg: float, *, elevation_deg: float, gsd_m: float) -> np.ndarray:
    """Return the share of direct sun that is blocked, (h, w) float32 in 0..1, by walking each ray towards the sun."""
    row, column = sun_vector(azimuth_deg)
    drop = gsd_m * np.tan(np.deg2rad(elevation_deg))
    steps = int(np.ceil(max(float(height_m.max()) - float(height_m.min()), 0.0) / drop))
    size = height_m.shape
    highest = np.full(size, -1e3, dtype=np.float32)
    for step in range(1, steps + 1):
        dy, dx = int(round(row * step)), int(round(column * step))
        if abs(dy) >= size[0] or abs(dx) >= size[1]:
            break
        to = (slice(max(-dy, 0), size[0] - max(dy, 0)), slice(max(-dx, 0), size[1] - max(dx, 0)))
        source = (slice(max(dy, 0), size[0] + min(dy, 0)), slice(max(dx, 0), size[1] + min(dx, 0)))
        np.maximum(highest[to], height_m[source] - np.float32(drop * step), out=highest[to])
    return smoothstep(0.05, 0.5, highest - height_m)


def photograph(
    light: np.ndarray,
    rng: np.random.Generator,
    *,
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0),
    haze: float = 0.04,
    blur_px: float = 0.65,
    noise: float = 0.010,
    vignette: float = 0.06,
    contrast: float = 1.0,
) -> np.ndarray:
    """Return the camera's picture (h, w, 3) uint8 of a lit ground (h, w, 3) float in about 0..1.

    Adds a slow change of light, vignetting, haze, the lens's blur, a little sharpening, and sensor noise.
    """
    height, width = light.shape[:2]
    slow = 1.0 + 0.035 * value_noise(rng, (height, width), max(height, width) / 1.6)
    y, x = np.ogrid[-1.0 : 1.0 : height * 1j, -1.0 : 1.0 : width * 1j]
    slow = slow * (1.0 - vignette * (y * y + x * x) / 2)
    picture = light * slow[..., None].astype(np.float32) * np.array(tint, dtype=np.float32)
    picture = 0.5 + (picture - 0.5) * contrast
    picture = picture * (1 - haze) + haze * np.array([0.80, 0.86, 0.93], dtype=np.float32)
    picture = ndimage.gaussian_filter(picture, (blur_px, blur_px, 0))
    picture += 0.35 * (picture - ndimage.gaussian_filter(picture, (1.6, 1.6, 0)))
    grey = rng.standard_normal((height, width, 1), dtype=np.float32)
    colour = rng.standard_normal((height, width, 3), dtype=np.float32)
    picture += noise * (0.8 * grey + 0.4 * colour) * np.sqrt(np.clip(picture, 0.05, 1.0))
    return (np.clip(picture, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
