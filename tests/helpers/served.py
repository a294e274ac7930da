"""Networks that OpenVINO alone runs: what holds for each of them, whatever file it came from."""

from pathlib import Path

import numpy as np
import rasterio

from core.__main__ import main
from core.model_store.models import Model


def predicts_and_is_evaluated(model: Model, picture: np.ndarray, labels: np.ndarray, folder: Path) -> None:
    """A scene uint8 (64, 64, 3) is predicted as `labels` uint8 (1, 64, 64) where patches have no rim, and scored against them."""
    for part, values in (("images", np.moveaxis(picture, -1, 0)), ("masks", labels)):
        (folder / "set" / part).mkdir(parents=True)
        profile = {"driver": "GTiff", "height": 64, "width": 64, "count": len(values), "dtype": "uint8"}
        with rasterio.open(folder / "set" / part / "a.tif", "w", **profile) as out:
            out.write(values)
    scene = str(folder / "set" / "images" / "a.tif")
    assert main(["predict", str(model.folder), scene, str(folder / "p"), "--overlap", "0.5"]) == 0
    with rasterio.open(folder / "p" / "labels.tif") as raster:
        same = raster.read(1) == labels[0]
    assert same.mean() > 0.95 and same[4:28, 4:28].all()  # patches have rims of their own
    assert main(["evaluate", str(model.folder), str(folder / "set"), "--out", str(folder / "e")]) == 0
