"""Draws what a ten-metre satellite sees: twelve-band landscapes with land cover, and mountains with landslides."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from skimage.morphology import reconstruction

from core.classes import ClassScheme
from core.compiling import compiled
from sample_data.drawing import fields, plan
from sample_data.drawing.ground import shoreline

# The twelve surface reflectance bands of Sentinel-2 (level 2A, which has no band 10), in the order of its files.
S2_BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
_COARSE = {"B1": 6, "B9": 6, "B5": 2, "B6": 2, "B7": 2, "B8A": 2, "B11": 2, "B12": 2}  # pixel size in units of 10 m

CHIP_CLASSES = ClassScheme(
    names=("Bare and built", "Vegetation", "Water"),
    colours=((196, 164, 120), (60, 150, 60), (40, 100, 200)),
    values=(0, 1, 2),
    ignored_names=(),
    ignored_colours=(),
)
LANDSLIDE_CLASSES = ClassScheme(
    names=("Background", "Landslide"),
    colours=((90, 120, 90), (220, 80, 50)),
    values=(0, 1),
    ignored_names=(),
    ignored_colours=(),
)

# Typical surface reflectance x 10,000 in the order of S2_BANDS: the known shapes of such spectra (red edge, water's
# fall to nothing in the infrared, the rise of dry soil), not measurements of one place.
_SPECTRA = {
    "forest": (210, 240, 420, 270, 720, 2050, 2550, 2700, 2850, 2950, 1400, 640),
    "crop": (260, 320, 640, 380, 1050, 2900, 3650, 3800, 3950, 4000, 1900, 950),
    "grass": (420, 540, 860, 900, 1380, 2050, 2350, 2500, 2650, 2750, 2550, 1700),
    "soil": (780, 1000, 1430, 1880, 2150, 2320, 2480, 2600, 2750, 2800, 3450, 2950),
    "ploughed": (560, 690, 930, 1190, 1400, 1540, 1680, 1790, 1930, 2000, 2650, 2250),
    "built": (980, 1180, 1370, 1500, 1610, 1740, 1850, 1980, 2010, 2040, 2160, 1920),
    "deep": (430, 380, 300, 170, 150, 120, 115, 100, 90, 85, 45, 30),
    "turbid": (620, 760, 980, 840, 640, 360, 340, 290, 240, 210, 95, 60),
    "scar": (700, 880, 1180, 1520, 1780, 1960, 2100, 2230, 2350, 2400, 2900, 2450),
}


def _spectrum(name: str) -> np.ndarray:
    return np.array(_SPECTRA[name], dtype=np.float32)


def _sense(rng: np.random.Generator, reflectance: np.ndarray, *, noise: float) -> np.ndarray:
    """Return the bands (h, w, 12) as the sensor delivers them: coarser bands in blocks, noise in each band, never below 1."""
    height, width = reflectance.shape[:2]
    seen = np.empty_like(reflectance)
    for band, name in enumerate(S2_BANDS):
        size = _COARSE.get(name, 1)
        plane = ndimage.gaussian_filter(reflectance[..., band], 0.45 * size)
        small = plane[size // 2 :: size, size // 2 :: size] if size > 1 else plane
        small = small + rng.normal(0, noise, small.shape) * (20 + 0.01 * small)
        blocks = np.kron(small, np.ones((size, size))) if size > 1 else small
        blocks = np.pad(blocks, ((0, max(height - blocks.shape[0], 0)), (0, max(width - blocks.shape[1], 0))), mode="edge")
        seen[..., band] = blocks[:height, :width]
    return np.clip(seen, 1, 10000)


def make_multispectral(seed: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a twelve-band landscape at 10 m: river and lake, fields, woods, towns.

    Returns reflectance x 10,000 (height, width, 12) uint16 in the order of `S2_BANDS`, and class ids (height, width)
    uint8 of `CHIP_CLASSES`.
    """
    rng, shape = fields.generator(seed, 71), (height, width)
    ids = np.zeros(shape, dtype=np.uint8)
    cover = np.empty((*shape, 12), dtype=np.float32)
    dry = fields.smoothstep(-1.4, 1.6, fields.fractal(rng, shape, 130, octaves=5))
    cover[:] = fields.mix(_spectrum("grass"), 0.5 * _spectrum("soil") + 0.5 * _spectrum("grass"), dry)
    ids[:] = 1
    ids[dry > 0.62] = 0
    cover[dry > 0.62] = fields.mix(_spectrum("soil"), _spectrum("ploughed"), fields.smoothstep(-1, 1, fields.fractal(rng, shape, 30)))[
        dry > 0.62
    ]
    _parcels(rng, cover, ids)
    woods = fields.fractal(rng, shape, 70, octaves=5) > 0.75
    cover[woods], ids[woods] = _spectrum("forest"), 1
    _towns(rng, cover, ids)
    shore = shoreline(seed, shape, gsd_m=1.0, kind="lagoon", share=0.13)
    lakes = fields.fractal(rng, shape, 60, octaves=4)
    shore = np.minimum(shore, fields.signed_distance(lakes > np.quantile(lakes, 0.965)))
    silt = fields.smoothstep(-14, -1, shore + 3 * fields.fractal(rng, shape, 40))
    wet = shore < 0
    cover[wet], ids[wet] = fields.mix(_spectrum("deep"), _spectrum("turbid"), silt)[wet], 2
    texture = 1 + 0.05 * fields.fractal(rng, shape, 6, octaves=2) + 0.05 * fields.fractal(rng, shape, 60, octaves=3)
    cover = cover * texture[..., None] + 35 * np.linspace(1.4, 0.2, 12, dtype=np.float32)  # what haze is left adds most in the blue
    return np.round(_sense(rng, cover, noise=0.5)).astype(np.uint16), ids


def _parcels(rng: np.random.Generator, cover: np.ndarray, ids: np.ndarray) -> None:
    """Lay fields over a part of the landscape: each a mixture of crop, grass and ploughed soil."""
    height, width = ids.shape
    bend = plan.Bend.random(rng, (width, height), turn_deg=rng.uniform(-30, 30), strength=0.3)
    reach = float(np.hypot(height, width)) / 2 + 30
    leaves, _ = plan.divide(rng, (-reach, -2 * reach, reach, 2 * reach), target_m=26.0)
    leaves = [(u0, v0 * 0.55, u1, v1 * 0.55) for u0, v0, u1, v1 in leaves]  # fields are longer than wide
    farmed = fields.fractal(rng, ids.shape, 150, octaves=3)
    for leaf in leaves:
        kind = rng.choice(["crop", "crop", "ploughed", "grass", "soil"])
        vigour = rng.uniform(0.15, 1.0)
        colour = _spectrum(kind) * vigour + _spectrum("grass") * (1 - vigour) if kind == "crop" else _spectrum(kind)
        outline = bend.rect(plan.inset(leaf, 0.4), step_m=4.0)
        middle = np.round(outline.mean(axis=0)).astype(int)[::-1]
        if (middle < 0).any() or (middle >= np.array(ids.shape)).any() or farmed[tuple(middle)] < -0.1:
            continue
        image = Image.new("1", (width, height))
        ImageDraw.Draw(image).polygon([tuple(p) for p in outline], fill=1)
        mask = np.asarray(image)
        cover[mask] = colour * rng.uniform(0.88, 1.12)
        ids[mask] = 1 if kind in ("crop", "grass") else 0


def _towns(rng: np.random.Generator, cover: np.ndarray, ids: np.ndarray) -> None:
    """Set towns: at ten metres a pixel is part roof, part street, part garden; a grid of streets shows."""
    shape = ids.shape
    dense = fields.fractal(rng, shape, 95, octaves=4)
    town = dense > 1.3
    grain = fields.value_noise(rng, shape, 1.6)
    y, x = np.indices(shape)
    turn = rng.uniform(0.2, 0.6)
    street = np.minimum((x * np.cos(turn) + y * np.sin(turn)) % 13, (y * np.cos(turn) - x * np.sin(turn)) % 9) < 1
    bright = np.clip(0.92 + 0.2 * grain, 0.6, 1.6)
    garden = 0.28 * fields.smoothstep(-0.5, 1.0, fields.fractal(rng, shape, 9))
    mixed = fields.mix(_spectrum("built") * bright[..., None], _spectrum("forest"), garden)
    mixed[street] = _spectrum("built") * 0.72
    cover[town], ids[town] = mixed[town], 0


def make_landslides(seed: int, size: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Draw a mountain chip at 10 m with landslides: twelve bands, slope and elevation.

    Returns (size, size, 14) float32 - reflectance 0..1 in the order of `S2_BANDS`, slope in degrees, elevation in
    metres - and the mask (size, size) uint8, 1 where the ground slid. The layout is that of Landslide4Sense
    (Ghorbanzadeh et al., 2022).
    """
    rng, shape = fields.generator(seed, 81), (size, size)
    elevation, drained = _mountains(rng, shape)
    down, right = np.gradient(ndimage.gaussian_filter(elevation, 1.0), 10.0)
    slope = np.rad2deg(np.arctan(np.hypot(down, right)))
    cover = np.empty((*shape, 12), dtype=np.float32)
    open_land = fields.smoothstep(0.2, 1.2, fields.fractal(rng, shape, 40, octaves=4) + 0.8 * (slope < 12))
    cover[:] = fields.mix(_spectrum("forest"), _spectrum("grass"), open_land)
    terraces = (ndimage.gaussian_filter(slope, 4.0) < 17) & (fields.fractal(rng, shape, 22, octaves=3) > 0.4)
    bands = 0.5 + 0.5 * np.cos(elevation / 7.0)
    cover[terraces] = fields.mix(_spectrum("crop"), _spectrum("ploughed"), bands)[terraces]
    river = np.clip(ndimage.gaussian_filter((drained > 420).astype(np.float32), 0.7) * 1.5, 0, 1)
    cover = fields.mix(cover, 0.55 * _spectrum("soil"), np.clip(ndimage.gaussian_filter(river, 1.0), 0, 1))
    cover = fields.mix(cover, _spectrum("turbid"), 0.8 * river)
    scar = _slides(rng, elevation, slope, drained)
    fresh = np.clip(ndimage.gaussian_filter(scar.astype(np.float32), 0.6), 0, 1) * (0.85 + 0.1 * fields.value_noise(rng, shape, 3))
    cover = fields.mix(cover, _spectrum("scar"), np.clip(fresh, 0, 1))
    sunlit = 1 + 0.4 * np.clip(fields.hillshade(elevation.astype(np.float32), 140.0, gsd_m=10.0), -0.9, 0.9)
    texture = 1 + 0.07 * fields.fractal(rng, shape, 4, octaves=2)
    seen = _sense(rng, cover * (texture * sunlit)[..., None] + 40, noise=0.35) / 10000
    stack = np.concatenate([np.round(seen / 0.001) * 0.001, np.round(slope * 2)[..., None] / 2, np.round(elevation)[..., None]], axis=2)
    return stack.astype(np.float32), scar.astype(np.uint8)


def _mountains(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return elevation in metres and drained area in pixels, both (h, w): a range that rose while rivers cut into it."""
    rim = 24
    height, width = shape[0] + 2 * rim, shape[1] + 2 * rim
    rows = np.arange(height, dtype=np.float64)[:, None]
    rough = 2.5 * fields.fractal(rng, (height, width), 36, octaves=5, gain=0.6) + 0.08 * rows
    rim_of_lakes = np.full_like(rough, rough.max())
    rim_of_lakes[0] = rough[0]
    start = reconstruction(rim_of_lakes, rough, method="erosion") + 0.01 * rows  # every hollow filled, so that all drains to row 0
    rise = 1.0 + 0.06 * fields.value_noise(rng, (height, width), 60)
    land, drained = _erode(start.astype(np.float64), np.clip(rise, 0.8, 1.2).astype(np.float64), 110)
    turn = int(rng.integers(4))
    inside = (slice(rim, -rim), slice(rim, -rim))
    land = np.rot90(ndimage.gaussian_filter(land, 1.7)[inside], turn)
    slope = np.hypot(*np.gradient(land, 10.0))
    scale = np.tan(np.deg2rad(rng.uniform(36, 43))) / np.percentile(slope, 92)
    land = (land - land.min()) * scale + rng.uniform(150, 900)
    return land.astype(np.float32), np.rot90(drained[inside], turn).astype(np.float32)


@compiled
def _erode(land: np.ndarray, rise: np.ndarray, rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """Lift the land and let rivers cut it, by the implicit stream-power step of Braun and Willett (2013).

    `land` and `rise` are (h, w) float64; the first row is the sea's level and never moves. Returns land and drained area.
    """
    height, width = land.shape
    land = land.copy()
    area = np.ones((height, width))
    for _ in range(rounds):
        land[1:] += rise[1:]
        order = np.argsort(land.ravel())
        to = np.arange(height * width)
        reach = np.ones(height * width)
        for cell in range(height * width):
            row, column = cell // width, cell % width
            best = 0.0
            for dy in range(-1, 2):
                for dx in range(-1, 2):
                    y, x = row + dy, column + dx
                    if 0 <= y < height and 0 <= x < width and (dy != 0 or dx != 0):
                        far = np.sqrt(float(dy * dy + dx * dx))
                        fall = (land[row, column] - land[y, x]) / far
                        if fall > best:
                            best, to[cell], reach[cell] = fall, y * width + x, far
        area[:] = 1.0
        flat_area, flat_land = area.ravel(), land.ravel()
        for cell in order[::-1]:
            if to[cell] != cell:
                flat_area[to[cell]] += flat_area[cell]
        for cell in order:
            if cell >= width and to[cell] != cell:
                cut = 0.16 * np.sqrt(flat_area[cell]) / reach[cell]
                flat_land[cell] = (flat_land[cell] + cut * flat_land[to[cell]]) / (1.0 + cut)
    return land, area


def _slides(rng: np.random.Generator, elevation: np.ndarray, slope: np.ndarray, drained: np.ndarray) -> np.ndarray:
    """Return where slides went (h, w) bool: each starts high on a steep slope, runs downhill and widens to its foot."""
    smooth = ndimage.gaussian_filter(elevation, 2.0)
    down, right = np.gradient(smooth)
    size = np.array(slope.shape)
    steep = np.argwhere((slope > np.percentile(slope, 80)) & (slope < 60) & (drained < 8))
    image = Image.new("L", (int(size[1]) * 4, int(size[0]) * 4))
    draw = ImageDraw.Draw(image)
    if len(steep) == 0:
        return np.zeros(slope.shape, dtype=bool)
    for _ in range(int(rng.integers(4, 13))):
        spot = steep[rng.integers(len(steep))].astype(float)
        length, width = rng.integers(6, 26), rng.uniform(1.3, 3.6)
        for step in range(length):
            row, column = np.clip(spot.astype(int), 0, size - 1)
            fall = -np.array([down[row, column], right[row, column]])
            if slope[row, column] < 13:
                break
            radius = width * (0.6 + 0.6 * step / length) * rng.uniform(0.75, 1.2)
            y, x = spot * 4
            draw.ellipse((x - 4 * radius, y - 4 * radius, x + 4 * radius, y + 4 * radius), fill=255)
            spot = spot + fall / max(np.hypot(*fall), 1e-6) + rng.normal(0, 0.3, 2)
            if (spot < 0).any() or (spot >= size).any():
                break
    return np.asarray(image.reduce(4)) > 127
