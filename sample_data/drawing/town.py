"""Puts a whole town together: land, water, districts, roads, plots; see `sample_data.drawing.scenes` for the way in."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage
from skimage.measure import find_contours

from sample_data.drawing import buildings, fields, ground, plan
from sample_data.drawing import roads as streets
from sample_data.drawing.canvas import Canvas


@dataclass(frozen=True)
class Look:
    """What a scene is like: its land, water, uses, light and camera.

    Angles in degrees, azimuth clockwise from north; `uses` weighs what districts are used for; shares are 0..1.
    """

    sand: tuple[float, float, float] = (0.86, 0.79, 0.69)
    dunes: float = 0.8
    water: str = "none"
    water_share: float = 0.0
    deep: tuple[float, float, float] = (0.06, 0.15, 0.17)
    shallow: tuple[float, float, float] = (0.40, 0.56, 0.50)
    turn_deg: float = 17.0
    bend: float = 1.0
    district_m: float = 185.0
    uses: dict[str, float] = field(
        default_factory=lambda: {"villas": 5, "townhouses": 2, "apartments": 1, "park": 1, "empty": 2, "site": 1}
    )
    highway: bool = False
    green: float = 0.5
    tiles: float = 0.3
    sun_azimuth_deg: float = 140.0
    sun_elevation_deg: float = 52.0
    asphalt: float = 0.40
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    haze: float = 0.05
    contrast: float = 1.06
    noise: float = 0.011
    built: float = 0.9


@dataclass(frozen=True)
class _Layout:
    roads: list[plan.Road]
    circles: list[tuple[np.ndarray, float]]
    districts: list[plan.District]
    plots: list[plan.Plot]
    bend: plan.Bend


def draw_town(seed: int, height: int, width: int, *, look: Look, gsd_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a town's picture (h, w, 3) uint8 and class ids (h, w) uint8 in the order of `core.classes.DUBAI`."""
    canvas = Canvas(seed, (height, width), gsd_m=gsd_m, ground_id=buildings.LAND)
    shore_m = ground.shoreline(seed, canvas.shape, gsd_m=gsd_m, kind=look.water, share=look.water_share)
    layout = _layout(seed, canvas, look, shore_m)
    ground.sand(canvas, seed, colour=look.sand, dunes=look.dunes)
    ground.tracks(canvas, seed, count=int(canvas.size_m[0] * canvas.size_m[1] / 14000) + 2)
    _scrub(canvas, seed, look)
    edge_m = streets.road_distance(canvas, layout.roads, layout.circles)
    walks = _settle(canvas, seed, layout, look, edge_m)
    if look.water != "none":
        ground.water(
            canvas, seed, shore_m, deep=look.deep, shallow=look.shallow, natural=look.water != "harbour", surf=look.water == "coast"
        )
        if look.water == "harbour":
            ground.quay(canvas, seed, shore_m)
    streets.asphalt(canvas, seed, edge_m, tone=look.asphalt, walks=walks * (shore_m > 1))
    deck = (edge_m < 0.6) & (shore_m < 8)
    canvas.height[deck] = 2.5 * fields.smoothstep(8.0, -3.0, shore_m)[deck]  # bridges rise from the bank, so they shade water only
    streets.dress(canvas, seed, layout.roads, edge_m, green=look.green, traffic=1.0)
    streets.roundabouts(canvas, seed, layout.circles)
    _build(canvas, seed, layout, look, clearance_m=np.minimum(edge_m, shore_m - 9.0))
    light = canvas.light(look.sun_azimuth_deg, elevation_deg=look.sun_elevation_deg)
    picture = fields.photograph(light, fields.generator(seed, 99), tint=look.tint, haze=look.haze, contrast=look.contrast, noise=look.noise)
    return picture, canvas.ids


def _layout(seed: int, canvas: Canvas, look: Look, shore_m: np.ndarray) -> _Layout:
    rng, gsd = fields.generator(seed, 31), canvas.gsd_m
    wide, high = canvas.size_m
    bend = plan.Bend.random(rng, canvas.size_m, turn_deg=look.turn_deg, strength=look.bend)
    reach = np.hypot(wide, high) / 2 + 90
    leaves, cuts = plan.divide(rng, (-reach, -reach, reach, reach), target_m=look.district_m)
    names, weights = list(look.uses), np.array(list(look.uses.values()), dtype=float)
    districts, main, local, plots = [], [], [], []
    for start, end, depth in cuts:
        kind = "arterial" if depth <= int(np.log2(reach / look.district_m)) else "collector"
        main.append(plan.Road(bend(plan.straight(start, end)), 15.5 if kind == "arterial" else 9.0, kind))
    if look.highway:
        turn = rng.uniform(0, 2 * np.pi)
        away = np.array([np.cos(turn), np.sin(turn)])
        aside = np.array([-away[1], away[0]])
        control = [np.array([wide, high]) / 2 + t * reach * away + rng.normal(0, 0.10) * reach * aside for t in np.linspace(-1.1, 1.1, 6)]
        main.append(plan.Road(plan.curve(np.array(control)), 24.0, "highway"))
    for leaf in leaves:
        districts.append(plan.District(plan.inset(leaf, 10.5), str(rng.choice(names, p=weights / weights.sum()))))
    near_m = shore_m - 26.0
    if look.water != "none":
        over = [road for road in main if road.kind == "highway"]
        main = over + [part for road in main if road.kind != "highway" for part in plan.keep_where(road, near_m, least_m=-4.0, gsd_m=gsd)]
        busy = streets.road_distance(canvas, main, [])
        shores = [
            part for road in _shore_roads(shore_m, gsd) for part in plan.keep_where(road, busy, least_m=3.0, gsd_m=gsd, shortest_m=60.0)
        ]
        main += shores
        if look.water == "lagoon":
            main += _bridge(rng, cuts, bend, shore_m, gsd)
    circles = _circles(rng, main, canvas.size_m)
    big = [road for road in main if road.kind in ("highway", "shore")]
    barrier = streets.road_distance(canvas, big, circles) if big or circles else np.full(canvas.shape, 1e4, np.float32)
    for district in districts:
        if district.use in plan.PLOT_SIZES:
            roads, lots = plan.street_plan(rng, district, bend)
            local += [part for road in roads for part in plan.keep_where(road, np.minimum(near_m, barrier + 0.5), least_m=-1.0, gsd_m=gsd)]
            plots += lots
    return _Layout(main + local, circles, districts, plots, bend)


def _shore_roads(shore_m: np.ndarray, gsd_m: float) -> list[plan.Road]:
    lines = [c for c in find_contours(shore_m[::4, ::4], 26.0) if len(c) > 60 and (np.hypot(*(c[0] - c[-1])) > 1 or len(c) > 420)]
    return [plan.Road(plan.smooth_line(line[:, ::-1] * 4 * gsd_m, sigma=9.0, step=4), 9.5, "shore") for line in lines]


def _bridge(rng, cuts, bend: plan.Bend, shore_m: np.ndarray, gsd_m: float) -> list[plan.Road]:
    """Return one road that crosses the water from bank to bank, where the crossing is short."""
    best: tuple[float, np.ndarray] | None = None
    size = np.array(shore_m.shape)
    for start, end, _ in cuts:
        points = bend(plan.straight(start, end, step_m=2.0))
        index = (points[:, ::-1] / gsd_m).astype(int)
        on_board = ((index >= 0) & (index < size)).all(axis=1)
        wet = on_board & (shore_m[tuple(np.clip(index, 0, size - 1).T)] < 26)
        runs = np.flatnonzero(np.diff(np.concatenate([[0], wet.astype(int), [0]])))
        for first, last in zip(runs[::2], runs[1::2], strict=True):
            length = 2.0 * (last - first)
            inside = first > 2 and last < len(points) - 2 and on_board[first - 2] and on_board[min(last + 1, len(points) - 1)]
            crosses = shore_m[tuple(np.clip(index[first:last], 0, size - 1).T)].min() < -8
            if inside and crosses and 40 < length < 240 and (best is None or length < best[0]):
                best = (length, points[max(first - 3, 0) : last + 3])
    return [] if best is None else [plan.Road(best[1], 11.0, "collector", bridge=True)]


def _circles(rng, main: list[plan.Road], size_m: tuple[float, float]) -> list[tuple[np.ndarray, float]]:
    found: list[tuple[np.ndarray, float]] = []
    for spot, _, kinds in plan.junctions(main):
        on_board = (spot > 10).all() and (spot < np.array(size_m) - 10).all()
        apart = all(np.hypot(*(spot - other)) > 120 for other, _ in found)
        if on_board and apart and "arterial" in kinds and "highway" not in kinds and rng.random() < 0.6:
            found.append((spot, float(rng.uniform(17, 21))))
    return found


def _settle(canvas: Canvas, seed: int, layout: _Layout, look: Look, edge_m: np.ndarray) -> np.ndarray:
    """Grade the ground of built districts, plant parks; return where pavements belong (h, w) in 0..1."""
    rng = fields.generator(seed, 32)
    walks = np.zeros(canvas.shape, dtype=np.float32)
    for number, district in enumerate(layout.districts):
        outline = layout.bend.rect(plan.inset(district.rect, -8.0))
        box = canvas.box(outline, 6.0)
        if box is None:
            continue
        cover = ndimage.gaussian_filter(canvas.coverage(outline, box), 5.0)
        if district.use in plan.PLOT_SIZES:
            tone = buildings.pick(rng, ((0.80, 0.75, 0.67), (0.76, 0.72, 0.66), (0.83, 0.77, 0.68)))
            canvas.paint(box, 0.7 * cover, tone, texture=0.03)
            canvas.relief[box] *= 1 - 0.85 * cover
            walks[box] = np.maximum(walks[box], cover)
        elif district.use in ("park", "golf"):
            ground.park(canvas, seed * 1000 + number, outline, golf=district.use == "golf")
            walks[box] = np.maximum(walks[box], cover)
        elif district.use == "site":
            canvas.paint(box, 0.6 * cover, (0.70, 0.66, 0.60), texture=0.06)
            canvas.relief[box] *= 1 - 0.6 * cover
    return walks


def _scrub(canvas: Canvas, seed: int, look: Look) -> None:
    rng = fields.generator(seed, 33)
    wide, high = canvas.size_m
    for _ in range(int(wide * high / 900 * (0.3 + look.green))):
        row, column = rng.integers(0, canvas.shape[0]), rng.integers(0, canvas.shape[1])
        if canvas.patchy[row, column] > 0.2:
            radius = 0.5 + 1.1 * rng.random() ** 2
            spot = np.array([column, row]) * canvas.gsd_m
            canvas.crown(
                spot,
                radius,
                rng,
                colour=buildings.pick(rng, ((0.36, 0.36, 0.24), (0.30, 0.31, 0.20)), 0.1),
                height_m=radius,
                class_id=buildings.VEGETATION,
            )


def _build(canvas: Canvas, seed: int, layout: _Layout, look: Look, *, clearance_m: np.ndarray) -> None:
    rng = fields.generator(seed, 34)
    size = np.array(canvas.shape)
    terrace = buildings.pick(rng, buildings.FLAT_ROOFS[:2])
    for plot in layout.plots:
        plot_rng = fields.generator(int(rng.integers(2**31)), 1)
        if ((plot.corners < -25) | (plot.corners > size[::-1] * canvas.gsd_m + 25)).any():
            continue
        fitted = _fit(plot, clearance_m, canvas.gsd_m)
        if fitted is not None:
            _plot(canvas, plot_rng, fitted, look, terrace)
        else:
            _pocket(canvas, plot_rng, plot, look, clearance_m)
    for number, district in enumerate(layout.districts):
        if district.use == "site":
            _site(canvas, fields.generator(seed, 35, number), district, layout.bend, clearance_m)


def _fit(plot: plan.Plot, clearance_m: np.ndarray, gsd_m: float) -> plan.Plot | None:
    """Return the plot, or a smaller one about its middle, that keeps clear of roads and water."""
    middle, size = plot.corners.mean(axis=0), np.array(clearance_m.shape)
    for scale in (1.0, 0.92, 0.84, 0.7):
        corners = middle + scale * (plot.corners - middle)
        test = np.concatenate([corners, (corners + np.roll(corners, 1, axis=0)) / 2, middle[None]])
        index = np.clip((test[:, ::-1] / gsd_m).astype(int), 0, size - 1)
        smaller = plan.Plot(corners, plot.use)
        if clearance_m[tuple(index.T)].min() >= 0.8 and smaller.width_m > (8 if plot.use == "townhouses" else 12):
            return smaller
    return None


def _pocket(canvas: Canvas, rng: np.random.Generator, plot: plan.Plot, look: Look, clearance_m: np.ndarray) -> None:
    """Plant what is left over between roads and plots with a few palms and trees."""
    size = np.array(canvas.shape)
    low, high = plot.corners.min(axis=0), plot.corners.max(axis=0)
    for _ in range(int(rng.poisson(9 * look.green))):
        spot = rng.uniform(low, high)
        index = (spot[::-1] / canvas.gsd_m).astype(int)
        if (index >= 0).all() and (index < size).all() and clearance_m[tuple(index)] > 2.5:
            canvas.crown(
                spot,
                rng.uniform(1.2, 2.4),
                rng,
                colour=buildings.pick(rng, buildings.GREENS, 0.1),
                height_m=rng.uniform(2.5, 5),
                class_id=buildings.VEGETATION,
                palm=rng.random() < 0.5,
            )


def _plot(canvas: Canvas, rng: np.random.Generator, plot: plan.Plot, look: Look, terrace: np.ndarray) -> None:
    draw = rng.random()
    if draw > look.built and plot.use == "sheds":
        return buildings.container_yard(canvas, rng, plot)
    if draw > look.built:
        if draw > 0.5 + 0.5 * look.built and plot.use != "townhouses":
            buildings.building_site(canvas, rng, plot)
        return
    kind = plot.use if plot.use != "mixed" else str(rng.choice(["villas", "apartments", "villas"]))
    if kind == "villas":
        buildings.villa(canvas, rng, plot, azimuth_deg=look.sun_azimuth_deg, green=look.green, tiles=look.tiles)
    elif kind == "townhouses":
        buildings.townhouse(canvas, rng, plot, colour=terrace, green=look.green)
    elif kind == "apartments":
        buildings.apartments(canvas, rng, plot, green=look.green)
    else:
        buildings.shed(canvas, rng, plot)


def _site(canvas: Canvas, rng: np.random.Generator, district: plan.District, bend: plan.Bend, clearance_m: np.ndarray) -> None:
    u0, v0, u1, v1 = district.rect
    size = np.array(canvas.shape)
    for u in np.arange(u0 + 4, u1 - 34, 40.0):
        for v in np.arange(v0 + 4, v1 - 34, 38.0):
            corners = bend([(u, v), (u + 33, v), (u + 33, v + 31), (u, v + 31)])
            index = np.clip((corners[:, ::-1] / canvas.gsd_m).astype(int), 0, size - 1)
            if rng.random() < 0.55 and clearance_m[tuple(index.T)].min() > 1.5:
                buildings.building_site(canvas, rng, plan.Plot(corners, "site"))
