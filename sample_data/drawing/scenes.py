"""Seeded drawings of aerial scenes with their class maps: samples to try the whole path on, free of any licence."""

from __future__ import annotations

import numpy as np

from sample_data.drawing.country import LANDCOVER, RURAL, draw_country
from sample_data.drawing.satellite import CHIP_CLASSES, LANDSLIDE_CLASSES, S2_BANDS, make_landslides, make_multispectral
from sample_data.drawing.town import Look, draw_town

__all__ = [
    "CHIP_CLASSES",
    "GSD_M",
    "LANDCOVER",
    "LANDSLIDE_CLASSES",
    "LOOKS",
    "RURAL",
    "S2_BANDS",
    "Look",
    "make_country",
    "make_landslides",
    "make_multispectral",
    "make_town",
]

GSD_M = 0.3

LOOKS: dict[str, Look] = {
    "town": Look(
        water="lagoon",
        water_share=0.09,
        highway=True,
        turn_deg=17.0,
        uses={"villas": 6, "townhouses": 2, "apartments": 2, "park": 1.5, "golf": 1, "empty": 1, "site": 0.7},
    ),
    "villas": Look(
        sand=(0.88, 0.82, 0.75),
        turn_deg=-24.0,
        bend=1.5,
        green=0.65,
        tiles=0.55,
        sun_azimuth_deg=128.0,
        sun_elevation_deg=48.0,
        uses={"villas": 6, "townhouses": 3, "park": 1.5, "empty": 0.6},
    ),
    "lagoon": Look(
        sand=(0.87, 0.80, 0.74),
        water="lagoon",
        water_share=0.24,
        deep=(0.05, 0.11, 0.08),
        shallow=(0.42, 0.50, 0.36),
        turn_deg=38.0,
        green=0.6,
        tiles=0.15,
        sun_azimuth_deg=150.0,
        sun_elevation_deg=58.0,
        tint=(1.02, 0.99, 0.98),
        uses={"villas": 3, "townhouses": 1, "golf": 3, "park": 1, "empty": 1},
    ),
    "gardens": Look(
        sand=(0.88, 0.81, 0.73),
        turn_deg=52.0,
        bend=1.7,
        green=0.8,
        tiles=0.7,
        sun_azimuth_deg=135.0,
        sun_elevation_deg=55.0,
        district_m=170.0,
        uses={"villas": 4, "townhouses": 1.5, "golf": 2, "park": 1.5, "apartments": 1},
        tint=(1.0, 1.0, 0.98),
    ),
    "harbour": Look(
        sand=(0.84, 0.79, 0.72),
        water="harbour",
        water_share=0.26,
        deep=(0.04, 0.10, 0.16),
        shallow=(0.16, 0.30, 0.32),
        turn_deg=8.0,
        bend=0.35,
        green=0.22,
        tiles=0.0,
        sun_azimuth_deg=205.0,
        sun_elevation_deg=44.0,
        tint=(0.98, 1.0, 1.03),
        haze=0.08,
        uses={"sheds": 5, "apartments": 3, "mixed": 2, "site": 1, "empty": 0.5},
    ),
    "desert": Look(
        sand=(0.90, 0.86, 0.81),
        dunes=1.5,
        turn_deg=-40.0,
        bend=1.3,
        highway=True,
        green=0.2,
        tiles=0.2,
        sun_azimuth_deg=112.0,
        sun_elevation_deg=40.0,
        asphalt=0.46,
        contrast=1.12,
        haze=0.03,
        built=0.75,
        uses={"villas": 2, "sheds": 1, "empty": 4, "site": 1.5, "park": 0.5},
    ),
    "coast": Look(
        sand=(0.88, 0.81, 0.71),
        water="coast",
        water_share=0.22,
        deep=(0.05, 0.24, 0.32),
        shallow=(0.42, 0.66, 0.64),
        turn_deg=60.0,
        green=0.5,
        tiles=0.35,
        sun_azimuth_deg=165.0,
        sun_elevation_deg=62.0,
        tint=(1.01, 1.0, 0.98),
        uses={"villas": 4, "apartments": 2, "mixed": 2, "park": 1.5, "empty": 0.7},
    ),
}


def make_town(seed: int, height: int, width: int, *, look: str | Look = "town", gsd_m: float = GSD_M) -> tuple[np.ndarray, np.ndarray]:
    """Draw a desert town from above.

    Returns the picture (height, width, 3) uint8 and the class ids (height, width) uint8 in the order of
    `core.classes.DUBAI`, 255 where nothing is labelled. The same arguments give the same bytes. `look` is a name in
    `LOOKS` or a `Look`; `gsd_m` is the size of a pixel on the ground in metres.
    """
    return draw_town(seed, height, width, look=LOOKS[look] if isinstance(look, str) else look, gsd_m=gsd_m)


def make_country(
    seed: int, height: int, width: int, *, classes: str = "landcover", gsd_m: float = 0.5, housing: float = 0.15
) -> tuple[np.ndarray, np.ndarray]:
    """Draw European countryside from above: fields, woods, a river, roads, villages.

    Returns the picture (height, width, 3) uint8 and class ids (height, width) uint8 of the scheme `LANDCOVER`
    (`classes` landcover: background, building, woodland, water, road) or `RURAL` (rural: those with agriculture apart).
    `housing` is the share of the land that is built on, 0..1.
    """
    return draw_country(seed, height, width, classes=classes, gsd_m=gsd_m, housing=housing)
