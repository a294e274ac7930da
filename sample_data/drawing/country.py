"""Draws European countryside from above: strips of fields, woods, a river, roads, villages."""

from __future__ import annotations

import itertools

import numpy as np
from scipy import ndimage

from core.classes import ClassScheme
from sample_data.drawing import buildings, fields, ground, plan
from sample_data.drawing import roads as streets
from sample_data.drawing.canvas import Canvas

# Ids while drawing: those of the town, then fields; grass is "land".
_FIELD = 5
_AZIMUTH_DEG, _ELEVATION_DEG = 150.0, 47.0
_CROPS = (
    (0.40, 0.50, 0.24),
    (0.34, 0.45, 0.22),
    (0.52, 0.56, 0.30),
    (0.72, 0.65, 0.42),
    (0.66, 0.58, 0.40),
    (0.50, 0.41, 0.31),
    (0.44, 0.36, 0.28),
    (0.64, 0.62, 0.33),
    (0.36, 0.47, 0.27),
)
_GRASS = ((0.43, 0.50, 0.28), (0.48, 0.52, 0.32), (0.39, 0.47, 0.26))
_LEAVES = ((0.20, 0.29, 0.14), (0.24, 0.33, 0.16), (0.17, 0.26, 0.13), (0.28, 0.35, 0.18), (0.14, 0.23, 0.14))
_ROOFS = ((0.62, 0.36, 0.27), (0.55, 0.32, 0.26), (0.42, 0.33, 0.29), (0.45, 0.45, 0.46), (0.33, 0.33, 0.35), (0.66, 0.44, 0.33))

LANDCOVER = ClassScheme(
    names=("Background", "Building", "Woodland", "Water", "Road"),
    colours=((221, 214, 190), (200, 55, 50), (35, 110, 55), (50, 120, 200), (90, 90, 95)),
    values=(0, 1, 2, 3, 4),
    ignored_names=(),
    ignored_colours=(),
)
RURAL = ClassScheme(
    names=("Background", "Building", "Road", "Water", "Forest", "Agriculture"),
    colours=((230, 225, 215), (220, 60, 50), (255, 220, 60), (40, 110, 220), (30, 130, 60), (240, 170, 110)),
    ignored_names=(),
    ignored_colours=(),
)
# class id of each scheme for building, land, road, vegetation, water, field
_LOOKUP = {"landcover": (1, 0, 4, 2, 3, 0), "rural": (1, 0, 2, 4, 3, 5)}


def draw_country(seed: int, height: int, width: int, *, classes: str, gsd_m: float, housing: float) -> tuple[np.ndarray, np.ndarray]:
    """Return countryside as a picture (h, w, 3) uint8 and class ids (h, w) uint8.

    `classes` is landcover (`LANDCOVER`) or rural (`RURAL`); `housing` is the share of the land between roads that is built on.
    """
    canvas = Canvas(seed, (height, width), gsd_m=gsd_m, ground_id=buildings.LAND)
    rng = fields.generator(seed, 51)
    bend = plan.Bend.random(rng, canvas.size_m, turn_deg=rng.uniform(-40, 40), strength=1.2)
    reach = float(np.hypot(*canvas.size_m)) / 2 + 60
    leaves, cuts = plan.divide(rng, (-reach, -reach, reach, reach), target_m=215.0)
    _meadow(canvas, rng)
    shore_m = ground.shoreline(seed, canvas.shape, gsd_m=gsd_m, kind="lagoon", share=0.045)
    clear = shore_m - 14.0
    main = [plan.Road(bend(plan.straight(a, b)), 7.0, "collector") for a, b, depth in cuts if depth <= 1]
    tracks = [bend(plan.straight(a, b)) for a, b, depth in cuts if depth > 1]
    local, plots = [], []
    uses = _uses(rng, leaves, bend, canvas.size_m, housing)
    for leaf, use in zip(leaves, uses, strict=True):
        inner = plan.inset(leaf, 7.0)
        if use == "houses":
            roads, lots = plan.street_plan(rng, plan.District(inner, "houses"), bend)
            local += [part for road in roads for part in plan.keep_where(road, clear, least_m=0.0, gsd_m=gsd_m)]
            plots += lots
        elif use == "fields":
            _fields(canvas, rng, plan.inset(leaf, 3.0), bend)
    wood = _wood_mask(canvas, seed, leaves, uses, bend)
    ground.water(canvas, seed, shore_m, deep=(0.13, 0.19, 0.17), shallow=(0.26, 0.31, 0.24), natural=True, surf=False)
    _banks(canvas, shore_m)
    for line in tracks:
        _track(canvas, rng, line, shore_m)
    edge_m = streets.road_distance(canvas, main + local, [])
    streets.asphalt(canvas, seed, edge_m, tone=0.50, walks=np.zeros(canvas.shape, dtype=np.float32))
    streets.dress(canvas, seed, main + local, edge_m, green=0.9, traffic=0.35)
    clearance = np.minimum(edge_m, shore_m - 10.0)
    _houses(canvas, rng, plots, clearance)
    built = ndimage.gaussian_filter((canvas.ids == buildings.BUILDING).astype(np.float32), 6.0) > 0.02
    _forest(canvas, fields.generator(seed, 52), wood & (edge_m > 4.0) & (shore_m > 3.0) & ~built)
    _hedges(canvas, fields.generator(seed, 53), tracks, np.minimum(edge_m, shore_m) - 1.5)
    light = canvas.light(_AZIMUTH_DEG, elevation_deg=_ELEVATION_DEG, sky=(0.36, 0.42, 0.50))
    picture = fields.photograph(light, fields.generator(seed, 99), tint=(1.0, 1.0, 1.0), haze=0.06, noise=0.011)
    return picture, np.array(_LOOKUP[classes], dtype=np.uint8)[canvas.ids]


def _uses(rng, leaves, bend: plan.Bend, size_m, housing: float) -> list[str]:
    """Give each leaf a use so that the asked share of those on the board is housing, and some wood and some fields remain."""
    middles = [bend(np.array([[(u0 + u1) / 2, (v0 + v1) / 2]]))[0] for u0, v0, u1, v1 in leaves]
    on_board = [i for i, m in enumerate(middles) if (m > -40).all() and (m < np.array(size_m) + 40).all()]
    uses = [str(u) for u in rng.choice(["fields", "wood", "meadow"], len(leaves), p=[0.62, 0.2, 0.18])]
    homes = rng.permutation(on_board)[: max(int(round(housing * len(on_board))), 1)]
    for index in homes:
        uses[index] = "houses"
    return uses


def _meadow(canvas: Canvas, rng: np.random.Generator) -> None:
    tuft = fields.fractal(rng, canvas.shape, 9, octaves=3)
    tone = 1 + 0.06 * canvas.patchy + 0.05 * tuft + 0.03 * canvas.grain
    dry = fields.smoothstep(-0.5, 1.8, fields.fractal(rng, canvas.shape, 130, octaves=4))
    base = fields.mix(np.array(_GRASS[0], dtype=np.float32), np.array((0.56, 0.54, 0.36), dtype=np.float32), dry)
    canvas.colour[:] = base * tone[..., None]
    canvas.relief += 0.05 * tuft + 1.2 * fields.fractal(rng, canvas.shape, 260, octaves=2)


def _fields(canvas: Canvas, rng: np.random.Generator, leaf: plan.Rect, bend: plan.Bend) -> None:
    """Cut a leaf into long strips, each with its crop, its rows, tramlines and bare patches."""
    u0, v0, u1, v1 = leaf
    wide = (u1 - u0) > (v1 - v0)
    span = (v1 - v0) if wide else (u1 - u0)
    count = int(rng.integers(2, max(int(span / 22), 3)))
    edges = np.concatenate([[0], np.sort(rng.uniform(0.08, 0.92, count - 1)), [1]]) * span
    for low, high in itertools.pairwise(edges):
        if high - low < 5:
            continue
        strip = (u0, v0 + low, u1, v0 + high - 0.9) if wide else (u0 + low, v0, u0 + high - 0.9, v1)
        outline = bend.rect(strip)
        box = canvas.box(outline)
        if box is None:
            continue
        cover = canvas.coverage(outline, box)
        colour = buildings.pick(rng, _CROPS, 0.06)
        middle = bend(np.array([[strip[0], strip[1]], [strip[2], strip[1]] if wide else [strip[0], strip[3]]]))
        along = (middle[1] - middle[0]) / np.hypot(*(middle[1] - middle[0]))
        x, y = canvas.pixel_grid(box)
        across = x * -along[1] + y * along[0] + 1.5 * canvas.patchy[box]
        rows = np.cos(2 * np.pi * across / rng.uniform(1.6, 3.6)) * rng.uniform(0.0, 0.05)
        tram = (np.abs((across % 18.0) - 9.0) < 0.5) * -0.10
        growth = 1 + 0.06 * canvas.patchy[box] + rows + tram
        canvas.paint(box, cover, colour * growth[..., None], class_id=_FIELD, texture=0.035)


def _wood_mask(canvas: Canvas, seed: int, leaves, uses: list[str], bend: plan.Bend) -> np.ndarray:
    rng = fields.generator(seed, 54)
    edge = fields.fractal(rng, canvas.shape, 110, octaves=5, gain=0.5)
    mask = edge > 1.55
    for leaf, use in zip(leaves, uses, strict=True):
        outline = bend.rect(plan.inset(leaf, 4.0))
        box = canvas.box(outline)
        if use == "wood" and box is not None:
            mask[box] |= (canvas.coverage(outline, box) > 0.5) & (edge[box] > -1.25)
    return mask


def _banks(canvas: Canvas, shore_m: np.ndarray) -> None:
    """Give the water grassy banks in place of a beach."""
    bank = (fields.smoothstep(12, 4, shore_m) * (shore_m > 0.4)).astype(np.float32)
    tone = np.array((0.40, 0.46, 0.25), dtype=np.float32) * (1 + 0.07 * canvas.mottle + 0.05 * canvas.grain)[..., None]
    canvas.colour[:] = fields.mix(canvas.colour, tone, 0.92 * bank)
    canvas.ids[(shore_m > 0) & (shore_m < 8)] = buildings.LAND


def _track(canvas: Canvas, rng: np.random.Generator, line: np.ndarray, shore_m: np.ndarray) -> None:
    for part in plan.keep_where(plan.Road(line, 3.0, "street"), shore_m, least_m=4.0, gsd_m=canvas.gsd_m):
        colour = buildings.pick(rng, ((0.70, 0.64, 0.52), (0.62, 0.57, 0.47)))
        canvas.line(part.points, colour, width_m=3.2, class_id=buildings.LAND, alpha=0.85, texture=0.06)
        canvas.line(part.points, (0.47, 0.50, 0.32), width_m=0.8, alpha=0.7, texture=0.08)


def _houses(canvas: Canvas, rng: np.random.Generator, plots: list[plan.Plot], clearance_m: np.ndarray) -> None:
    size = np.array(canvas.shape)
    for plot in plots:
        own = fields.generator(int(rng.integers(2**31)), 1)
        index = (np.concatenate([plot.corners, plot.corners.mean(axis=0)[None]])[:, ::-1] / canvas.gsd_m).astype(int)
        on_board = ((index > -40) & (index < size + 40)).all()
        if on_board and clearance_m[tuple(np.clip(index, 0, size - 1).T)].min() > 0.8 and own.random() < 0.92:
            _house(canvas, own, plot)


def _house(canvas: Canvas, rng: np.random.Generator, plot: plan.Plot) -> None:
    w, d = plot.width_m, plot.depth_m
    canvas.polygon(plot.corners, buildings.pick(rng, _GRASS, 0.08), class_id=buildings.LAND, texture=0.05)
    hedge = buildings.pick(rng, _LEAVES, 0.1)
    canvas.line(plot.corners[[1, 2, 3, 0]], hedge, width_m=0.9, height_m=1.2, texture=0.08)
    side = rng.choice([-1.0, 1.0])
    hw, hd = rng.uniform(9, 13), rng.uniform(8, 11)
    a, at = -side * w * 0.12 - hw / 2, rng.uniform(5.0, 8.0)
    canvas.polygon(
        plot.box(side * (w / 2 - 2.6) - 1.6, -1.0, 3.2, at + hd * 0.8),
        buildings.pick(rng, ((0.62, 0.60, 0.58), (0.70, 0.64, 0.58))),
        class_id=buildings.LAND,
        texture=0.03,
    )
    canvas.polygon(
        plot.box(a - 0.5, at + hd, hw + 1.0, 4.0),
        buildings.pick(rng, ((0.68, 0.65, 0.60), (0.60, 0.52, 0.45))),
        class_id=buildings.LAND,
        texture=0.03,
    )
    colour = buildings.pick(rng, _ROOFS, 0.06)
    gable(canvas, plot, (a, at, hw, hd), height_m=6.5, colour=colour, along=rng.random() < 0.6)
    if rng.random() < 0.5:
        gable(canvas, plot, (a + hw * 0.3, at + hd - 1.0, hw * 0.4, 4.0), height_m=5.0, colour=colour, along=False)
    if rng.random() < 0.6:
        gable(
            canvas,
            plot,
            (side * (w / 2 - 2.9) - 2.2, at + hd + rng.uniform(1, 4), 4.4, 7.0),
            height_m=3.2,
            colour=buildings.pick(rng, _ROOFS, 0.06),
            along=False,
        )
    if d > 24 and rng.random() < 0.3:
        gable(canvas, plot, (-side * w * 0.2 - 4, d - 8.0, 9.0, 5.5), height_m=4.5, colour=buildings.pick(rng, _ROOFS, 0.06), along=True)
    if rng.random() < 0.4:
        heading = np.diff(plot.at(np.zeros(2), np.array([0.0, 1.0])), axis=0)[0]
        buildings.car(canvas, rng, plot.at(np.array([side * (w / 2 - 2.6)]), np.array([at]))[0], heading)
    for _ in range(rng.integers(1, 7)):
        across, along = rng.uniform(-0.44, 0.44) * w, rng.uniform(0.62, 0.96) * d
        _tree(canvas, rng, plot.at(np.array([across]), np.array([along]))[0], rng.uniform(1.2, 2.8))


def gable(
    canvas: Canvas, plot: plan.Plot, rect: tuple[float, float, float, float], *, height_m: float, colour: np.ndarray, along: bool
) -> None:
    """Draw a gabled roof whose ridge runs along the street or away from it; the slope facing the sun is brighter."""
    a, d, w, h = rect
    halves = ((a, d, w, h / 2), (a, d + h / 2, w, h / 2)) if along else ((a, d, w / 2, h), (a + w / 2, d, w / 2, h))
    middle = plot.box(a, d, w, h).mean(axis=0)
    row, column = fields.sun_vector(_AZIMUTH_DEG)
    for half in halves:
        outline = plot.box(*half)
        out = outline.mean(axis=0) - middle
        facing = (out[0] * column + out[1] * row) / max(np.hypot(*out), 1e-6)
        canvas.polygon(outline, colour * (0.98 + 0.24 * facing), class_id=buildings.BUILDING, height_m=height_m, texture=0.05)


def _tree(canvas: Canvas, rng: np.random.Generator, spot: np.ndarray, radius_m: float) -> None:
    canvas.crown(
        spot, radius_m, rng, colour=buildings.pick(rng, _LEAVES, 0.13), height_m=2.2 * radius_m + 1.0, class_id=buildings.VEGETATION
    )


def _forest(canvas: Canvas, rng: np.random.Generator, mask: np.ndarray) -> None:
    """Fill a mask (h, w) with crowns on a jittered grid over a dark floor."""
    mask = ndimage.binary_opening(mask, iterations=4)
    everywhere = (slice(0, mask.shape[0]), slice(0, mask.shape[1]))
    canvas.paint(everywhere, mask.astype(np.float32), (0.15, 0.20, 0.11), class_id=buildings.VEGETATION, height_m=3.0, texture=0.06)
    step = 4.0 / canvas.gsd_m
    for row in np.arange(0, mask.shape[0], step):
        for column in np.arange(0, mask.shape[1], step):
            at = np.array([column, row]) + rng.uniform(-0.5, 0.5, 2) * step
            x, y = np.clip(at.astype(int), 0, np.array(mask.shape[::-1]) - 1)
            if mask[y, x]:
                _tree(canvas, rng, at * canvas.gsd_m, rng.uniform(1.7, 3.6))


def _hedges(canvas: Canvas, rng: np.random.Generator, tracks: list[np.ndarray], clearance_m: np.ndarray) -> None:
    """Plant rows of trees beside some tracks and lone trees in the open."""
    size = np.array(canvas.shape)
    spots = []
    for line in tracks:
        if rng.random() < 0.55:
            dense = streets.resample(line, rng.uniform(4.0, 9.0))
            spots += list(dense[rng.random(len(dense)) < 0.75] + rng.normal(2.5, 0.6, 2))
    spots += list(rng.uniform(0, 1, (int(np.prod(canvas.size_m) / 5000), 2)) * canvas.size_m)
    for spot in spots:
        index = (spot[::-1] / canvas.gsd_m).astype(int)
        radius = rng.uniform(1.5, 3.6)
        if (
            (index >= 0).all()
            and (index < size).all()
            and clearance_m[tuple(index)] > radius
            and canvas.ids[tuple(index)] != buildings.BUILDING
        ):
            _tree(canvas, rng, spot, radius)
