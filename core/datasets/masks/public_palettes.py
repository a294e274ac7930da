"""Palettes of public data sets, as their descriptions give them: they name classes that masks tell by colour alone."""

from __future__ import annotations

from core.classes import ClassScheme, from_hex


def _palette(classes: str, ignored: str = "") -> ClassScheme:
    named, left = ([entry.rsplit(" ", 1) for entry in text.split(", ")] if text else [] for text in (classes, ignored))
    return ClassScheme(
        names=tuple(name for name, _ in named),
        colours=tuple(from_hex(colour) for _, colour in named),
        ignored_names=tuple(name for name, _ in left),
        ignored_colours=tuple(from_hex(colour) for _, colour in left),
    )


PUBLIC_PALETTES = {
    "the ISPRS sets (Potsdam, Vaihingen)": _palette(
        "Impervious surface #FFFFFF, Building #0000FF, Low vegetation #00FFFF, Tree #00FF00, Car #FFFF00, Clutter #FF0000", "Border #000000"
    ),
    "DeepGlobe land cover": _palette(
        "Urban #00FFFF, Agriculture #FFFF00, Rangeland #FF00FF, Forest #00FF00, Water #0000FF, Barren #FFFFFF", "Unknown #000000"
    ),
    "GID (5 classes)": _palette("Built-up #FF0000, Farmland #00FF00, Forest #00FFFF, Meadow #FFFF00, Water #0000FF", "Unlabeled #000000"),
    "Pascal VOC": _palette(
        "Background #000000, Aeroplane #800000, Bicycle #008000, Bird #808000, Boat #000080, Bottle #800080, Bus #008080, Car #808080, "
        "Cat #400000, Chair #C00000, Cow #408000, Dining table #C08000, Dog #400080, Horse #C00080, Motorbike #408080, Person #C08080, "
        "Potted plant #004000, Sheep #804000, Sofa #00C000, Train #80C000, Monitor #004080",
        "Border #E0E0C0",
    ),
    "CamVid (11 classes)": _palette(
        "Sky #808080, Building #800000, Pole #C0C080, Road #804080, Pavement #3C28DE, Tree #808000, Sign #C08080, Fence #404080, "
        "Car #400080, Pedestrian #404000, Bicyclist #0080C0",
        "Unlabeled #000000",
    ),
    "the Semantic Drone Dataset": _palette(
        "Paved area #804080, Dirt #824C00, Grass #006600, Gravel #706757, Water #1C2AA8, Rocks #30291E, Pool #003259, Vegetation #6B8E23, "
        "Roof #464646, Wall #66669C, Window #FEE40C, Door #FE940C, Fence #BE9999, Fence pole #999999, Person #FF1660, Dog #663300, "
        "Car #098F96, Bicycle #770B20, Tree #333300, Bald tree #BEFABE, AR marker #709692, Obstacle #028773, Conflicting #FF0000",
        "Unlabeled #000000",
    ),
}
"""By the name that a sentence can give them. A palette counts where it explains nearly all pixels of the masks."""
