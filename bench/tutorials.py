"""Replays five tutorials: takes in the network that each saves with Keras 2, compares labels, then cuts and trains as it does.

    python bench/tutorials.py             all five, some minutes
    python bench/tutorials.py dubai       one of: landcover, dubai, chips, landslides, tiles

Every command is printed before what it says. `same labels` is the share of pixels in which `predict` with patches side by side
(`--overlap 0`) gives what the tutorial's own loop over its patches gave. The old networks took one step, ours take four.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "sample_data"
DUBAI = ROOT.parent / "shared" / "data" / "dubai"
sys.path.insert(0, str(ROOT))


@dataclass(frozen=True)
class Tutorial:
    """What one tutorial does: networks by name, the scene that it predicts, how it scales a patch, and our words for the same."""

    title: str
    data: Path
    scene: Path
    window: tuple[int, int]  # rows and columns from the scene's upper left corner, whole patches
    patch: int
    bands: tuple[int, ...]
    classes: tuple[str, ...]
    networks: dict[str, str]  # file name: which of `_NETWORKS`
    scaled: Callable[[np.ndarray], np.ndarray]
    normalisation: str
    prepare: tuple[str, ...]
    train: tuple[str, ...]
    dtype: str = "uint8"
    trusted: bool = False


def _by_patch(patch: np.ndarray) -> np.ndarray:
    """MinMaxScaler over the pixels of a patch, band by band."""
    low, high = patch.min(axis=(0, 1)), patch.max(axis=(0, 1))
    return (patch - low) / np.maximum(high - low, 1e-6)


def _by_255(patch: np.ndarray) -> np.ndarray:
    return patch / 255.0


def _by_10000(patch: np.ndarray) -> np.ndarray:
    return patch / 10000.0


def _as_it_is(patch: np.ndarray) -> np.ndarray:
    return patch


def tutorials() -> dict[str, Tutorial]:
    """The five, by a short name."""
    six = ("Building", "Land", "Road", "Vegetation", "Water", "Unlabeled")
    tile = sorted(DUBAI.glob("Tile 1/images/*"))
    short = ("--epochs", "1", "--steps-per-epoch", "4", "--batch-size", "4")
    return {
        "landcover": Tutorial(
            "Land cover with a ResNet U-Net, 256-pixel patches of large TIFFs",
            SAMPLES / "landcover",
            SAMPLES / "landcover" / "images" / "village.tif",
            (768, 768),
            256,
            (1, 2, 3),
            ("Background", "Building", "Woodland", "Water", "Road"),
            {"landcover_resnet34.hdf5": "resnet"},
            _by_patch,
            "patch",
            ("--patch-size", "256", "--rim", "crop", "--not-labelled", "Background", "--split", "random", "--validation", "0.25"),
            ("--architecture", "unet", "--encoder", "resnet34", "--normalisation", "patch", *short),
        ),
        "dubai": Tutorial(
            "Dubai with patchify and smooth blending, six classes",
            DUBAI if tile else SAMPLES / "town",
            tile[0] if tile else SAMPLES / "town" / "images" / "villas.tif",
            (512, 512),
            256,
            (1, 2, 3),
            six,
            {"satellite_standard_unet.hdf5": "multi_unet"},
            _by_patch,
            "patch",
            ("--patch-size", "256", "--rim", "crop", "--not-labelled", "none", "--split", "random", "--validation", "0.15"),
            ("--architecture", "unet", "--normalisation", "patch", *short),
        ),
        "chips": Tutorial(
            "12-band chips, bands 4, 3, 2, three networks",
            SAMPLES / "chips12",
            SAMPLES / "chips12" / "images" / "chip_0_0.tif",
            (64, 64),
            64,
            (4, 3, 2),
            ("Bare and built", "Vegetation", "Water"),
            {"unet.h5": "multi_unet", "vgg16_unet.h5": "vgg", "deeplab.h5": "deeplab"},
            _by_10000,
            "divide=10000",
            ("--patch-size", "64", "--bands", "4,3,2", "--not-labelled", "none"),
            ("--architecture", "deeplabv3plus", "--normalisation", "divide=10000", *short),
            dtype="uint16",
        ),
        "landslides": Tutorial(
            "Landslides in HDF5 with an Attention U-Net",
            SAMPLES / "landslides",
            SAMPLES / "landslides" / "img" / "image_1.h5",
            (128, 128),
            128,
            (4, 3, 2, 8, 13, 14),
            ("Other", "Landslide"),
            {"attention_unet.h5": "attention"},
            _as_it_is,
            "none",
            ("--patch-size", "128", "--bands", "4,3,2,8,13,14", "--not-labelled", "none", "--min-labelled", "0"),
            ("--architecture", "attention-unet", "--normalisation", "maximum", *short),
            dtype="float32",
            trusted=True,  # the tutorial's attention gate repeats a band in a Lambda layer
        ),
        "tiles": Tutorial(
            "1024 x 1024 TIFFs in six classes, at 128 pixels",
            SAMPLES / "tiles1024",
            SAMPLES / "tiles1024" / "images" / "fields.tif",
            (1024, 1024),
            128,
            (1, 2, 3),
            ("Background", "Building", "Road", "Water", "Forest", "Agriculture"),
            {"tiles_unet.h5": "multi_unet"},
            _by_255,
            "divide=255",
            ("--patch-size", "128", "--not-labelled", "Background", "--split", "random", "--counts", "100,30,20"),
            ("--architecture", "unet-small", "--normalisation", "divide=255", *short),
        ),
    }


def read(tutorial: Tutorial) -> np.ndarray:
    """The window of the scene, float64 (rows, columns, bands)."""
    rows, cols = tutorial.window
    if tutorial.scene.suffix == ".h5":
        import h5py

        with h5py.File(tutorial.scene) as file:
            whole = np.asarray(next(iter(file.values())))
    else:
        with rasterio.open(tutorial.scene) as raster:
            whole = np.moveaxis(raster.read(), 0, -1)
    return whole[:rows, :cols, [band - 1 for band in tutorial.bands]].astype(np.float64)


def whole_patches(tutorial: Tutorial, place: Path) -> Path:
    """The scene cropped to whole patches, as the tutorials crop it; itself where there is nothing to crop."""
    if tutorial.scene.suffix == ".h5":
        return tutorial.scene
    with rasterio.open(tutorial.scene) as raster:
        if raster.shape == tutorial.window:
            return tutorial.scene
        rows, cols = tutorial.window
        profile = {"driver": "GTiff", "height": rows, "width": cols, "count": raster.count, "dtype": raster.dtypes[0]}
        with rasterio.open(place / "scene.tif", "w", **profile, crs=raster.crs, transform=raster.transform) as out:
            out.write(raster.read(window=((0, rows), (0, cols))))
    return place / "scene.tif"


def patches_of(tutorial: Tutorial) -> np.ndarray:
    """The tutorial's scaled patches of its scene, row by row, float32 (n, patch, patch, bands)."""
    picture, size = read(tutorial), tutorial.patch
    corners = [(row, col) for row in range(0, picture.shape[0], size) for col in range(0, picture.shape[1], size)]
    return np.stack([tutorial.scaled(picture[row : row + size, col : col + size]) for row, col in corners]).astype(np.float32)


def save_old_networks(name: str, folder: Path) -> None:
    """Run with Keras 2: save each network as the tutorial does, and the labels that its loop over the patches gives."""
    import tf_keras

    global K  # the tutorial's gate calls it so, from the code that goes into its file
    K = tf_keras.backend
    tutorial = tutorials()[name]
    patches = patches_of(tutorial)
    rows, cols = (length // tutorial.patch for length in tutorial.window)
    for file, kind in tutorial.networks.items():
        tf_keras.utils.set_random_seed(0)
        network = _NETWORKS[kind](tutorial.patch, len(tutorial.bands), len(tutorial.classes))
        network.compile(optimizer="adam", loss=_loss, metrics=["accuracy", jacard_coef])
        some = patches[:2]
        network.train_on_batch(some, tf_keras.utils.to_categorical(np.zeros(some.shape[:3]), len(tutorial.classes)))
        _spread_out(network, patches)
        network.save(folder / file)
        labels = np.concatenate([network.predict(one[None], verbose=0).argmax(-1) for one in patches]).astype(np.uint8)
        grid = labels.reshape(rows, cols, tutorial.patch, tutorial.patch).swapaxes(1, 2).reshape(tutorial.window)
        np.save(folder / f"{file}.npy", grid)


def _spread_out(network, patches: np.ndarray) -> None:
    """Move and stretch what the last layer with weights gives, so that an untrained network finds every class somewhere."""
    import tf_keras

    last = [layer for layer in network.layers if layer.weights][-1]
    activation, last.activation = last.activation, tf_keras.activations.linear
    found = tf_keras.Model(network.input, last.output).predict(patches[:16], verbose=0)
    last.activation = activation
    kernel, bias = last.get_weights()
    spread = found.std(axis=(0, 1, 2)) + 1e-6
    last.set_weights([kernel / spread, (bias - found.mean(axis=(0, 1, 2))) / spread])


def jacard_coef(true, predicted):
    """The tutorials' metric, which goes into the file by name."""
    from tf_keras import backend

    shared = backend.sum(backend.flatten(true) * backend.flatten(predicted))
    return (shared + 1.0) / (backend.sum(true) + backend.sum(predicted) - shared + 1.0)


def _loss(true, predicted):
    import segmentation_models as sm

    return sm.losses.DiceLoss()(true, predicted) + sm.losses.CategoricalFocalLoss()(true, predicted)


def _resnet(size: int, bands: int, classes: int):
    import segmentation_models as sm

    return sm.Unet("resnet34", input_shape=(size, size, bands), encoder_weights=None, classes=classes, activation="softmax")


def _vgg(size: int, bands: int, classes: int):
    import segmentation_models as sm

    return sm.Unet("vgg16", input_shape=(size, size, bands), encoder_weights=None, classes=classes, activation="softmax")


def _multi_unet(size: int, bands: int, classes: int):
    from tf_keras import Input, Model, layers

    def twice(values, width: int):
        values = layers.Conv2D(width, 3, activation="relu", kernel_initializer="he_normal", padding="same")(values)
        values = layers.Dropout(0.2)(values)
        return layers.Conv2D(width, 3, activation="relu", kernel_initializer="he_normal", padding="same")(values)

    inputs = Input((size, size, bands))
    values, skipped = inputs, []
    for width in (16, 32, 64, 128):
        skipped.append(twice(values, width))
        values = layers.MaxPooling2D((2, 2))(skipped[-1])
    values = twice(values, 256)
    for width, other in zip((128, 64, 32, 16), reversed(skipped), strict=True):
        values = layers.Conv2DTranspose(width, (2, 2), strides=(2, 2), padding="same")(values)
        values = twice(layers.concatenate([values, other]), width)
    return Model(inputs, layers.Conv2D(classes, (1, 1), activation="softmax")(values))


def _attention(size: int, bands: int, classes: int):
    from tf_keras import Input, Model, layers

    def block(values, width: int):
        for _ in range(2):
            values = layers.Activation("relu")(layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same")(values)))
        return values

    def gate(values, signal, width: int):
        inner = layers.Conv2D(width, 2, strides=2, padding="same")(values)
        both = layers.Activation("relu")(layers.add([layers.Conv2D(width, 1)(signal), inner]))
        share = layers.UpSampling2D(2)(layers.Activation("sigmoid")(layers.Conv2D(1, 1)(both)))
        repeated = layers.Lambda(lambda one, times: K.repeat_elements(one, times, axis=3), arguments={"times": values.shape[-1]})(share)
        return layers.BatchNormalization()(layers.Conv2D(values.shape[-1], 1)(layers.multiply([repeated, values])))

    inputs = Input((size, size, bands))
    values, skipped = inputs, []
    for width in (16, 32, 64):
        skipped.append(block(values, width))
        values = layers.MaxPooling2D()(skipped[-1])
    values = block(values, 128)
    for width, other in zip((64, 32, 16), reversed(skipped), strict=True):
        values = block(layers.concatenate([layers.UpSampling2D()(values), gate(other, values, width)]), width)
    return Model(inputs, layers.Conv2D(classes, 1, activation="softmax")(values))


def _deeplab(size: int, bands: int, classes: int):
    import tf_keras
    from keras_example import keras_example

    return keras_example(tf_keras, size, bands=bands, classes=classes)


_NETWORKS = {"resnet": _resnet, "vgg": _vgg, "multi_unet": _multi_unet, "attention": _attention, "deeplab": _deeplab}


def say(place: Path, *words: object, lines: int = 1) -> None:
    """Run a command of ours, printed as a person would type it, with the last lines of what it says."""
    typed = ["python", "-m", "core", *map(str, words)]
    short = [str(Path(word).relative_to(place)) if word.startswith(str(place)) else word.replace(f"{ROOT}{os.sep}", "") for word in typed]
    print("$", " ".join(short), flush=True)
    done = subprocess.run([sys.executable, *typed[1:]], cwd=ROOT, capture_output=True, text=True)
    told = [line for line in (done.stdout if done.returncode == 0 else done.stderr).replace("\r", "\n").splitlines() if line.strip()]
    print("\n".join(f"    {line.replace(f'{place}{os.sep}', '')}" for line in told[-lines:]), flush=True)


def replay(name: str, place: Path) -> None:
    """One tutorial, in a folder of its own."""
    tutorial = tutorials()[name]
    print(f"\n## {tutorial.title}", flush=True)
    old = os.environ | {"TF_USE_LEGACY_KERAS": "1", "SM_FRAMEWORK": "tf.keras", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, __file__, name, "--old-networks", str(place)], env=old, check=True, stderr=subprocess.DEVNULL)
    bands, scene = ",".join(map(str, tutorial.bands)), whole_patches(tutorial, place)
    for file in tutorial.networks:
        model, predicted = place / f"model-{file.partition('.')[0]}", place / f"predicted-{file.partition('.')[0]}"
        words = ["--classes", ",".join(tutorial.classes), "--normalisation", tutorial.normalisation, "--dtype", tutorial.dtype]
        say(place, "import-model", place / file, model, "--bands", bands, *words, *(["--trusted"] if tutorial.trusted else []), lines=2)
        say(place, "predict", model, scene, predicted, "--overlap", "0")
        found, wanted = predicted / "labels.tif", np.load(place / f"{file}.npy")
        if found.exists():
            with rasterio.open(found) as raster:
                labels = raster.read(1)
            shares = ", ".join(f"{share:.0%}" for share in np.bincount(wanted.ravel(), minlength=len(tutorial.classes)) / wanted.size)
            print(f"    same labels: {(labels == wanted).mean():.3%} of {labels.size:,} (classes: {shares})")
    say(place, "predict", model, scene, place / "smooth", "--overlap", "0.5", "--symmetries", "8")
    say(place, "vectorize", place / "smooth", place / "layer.gpkg", lines=2)
    say(place, "prepare", tutorial.data, place / "patches", *tutorial.prepare, lines=6)
    say(place, "train", place / "patches", place / "trained", *tutorial.train, lines=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which tutorials; all when left away")
    parser.add_argument("--old-networks", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    for name in asked.names or tutorials():
        if asked.old_networks:
            save_old_networks(name, asked.old_networks)
            continue
        with tempfile.TemporaryDirectory() as folder:
            replay(name, Path(folder))


if __name__ == "__main__":
    main()
