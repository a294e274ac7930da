"""One contract for every network of the registry, on tiny sizes."""

import ast
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from core.errors import InputError, SettingsError
from core.networks import architectures, build, deeplab, fitted_rates, resolve_encoder
from core.networks.answering import answer
from core.networks.copying import copy_weights
from core.networks.encoders import LITE_ENCODERS, ZOO_ENCODERS, fitted_normalisation, published_normalisation, wants_bgr

# name: what makes it small enough for a test
TINY = {
    "unet": {"filters": (4, 6, 8)},
    "unet-small": {"filters": (4, 6)},
    "fast": {"filters": (4, 6, 8, 10)},
    "attention-unet": {"filters": (4, 6, 8)},
    "deeplabv3plus": {},
    "deeplabv3": {},
    "fpn": {"encoder": "resnet18"},
    "linknet": {"encoder": "resnet18"},
    "pspnet": {"encoder": "resnet18"},
}
ON_LITE = {f"{info.name} on lite": {"encoder": LITE_ENCODERS[0]} for info in architectures() if info.on_lite}
ALL = {**TINY, **ON_LITE}
ODD = (49, 50)


def test_every_network_of_the_registry_is_tested():
    assert set(TINY) == {info.name for info in architectures()}
    assert {name.removesuffix(" on lite") for name in ON_LITE} == {"unet", "fpn", "deeplabv3plus"}


def tiny(name, *, height=ODD[0], width=ODD[1], bands=4, classes=3, **more):
    keras.utils.set_random_seed(0)
    return build(name.removesuffix(" on lite"), height=height, width=width, bands=bands, classes=classes, **ALL[name], **more)


@pytest.fixture
def narrow(monkeypatch):
    """DeepLab with a sixteenth of its channels; its sizes cannot be chosen otherwise."""
    monkeypatch.setattr(deeplab, "ENCODER_WIDTH", 4)
    monkeypatch.setattr(deeplab, "PYRAMID_WIDTH", 16)


@pytest.mark.parametrize("name", ALL)
def test_contract(name, tmp_path, narrow):
    network = tiny(name)
    batch = np.random.default_rng(0).random((2, *ODD, 4), dtype=np.float32)
    before = answer(network, batch)
    assert before.shape == (2, *ODD, 3) and before.dtype == np.float32
    np.testing.assert_allclose(before.sum(-1), 1, atol=1e-5)
    assert before.std() > 0

    network.save(tmp_path / "n.keras")
    again = keras.models.load_model(tmp_path / "n.keras", compile=False)
    np.testing.assert_allclose(answer(again, batch), before, atol=1e-6)
    assert not any(type(layer).__name__ == "Lambda" for layer in network.layers)

    gradients = _gradients(network, batch)
    assert all(gradient is not None and np.isfinite(gradient).all() for gradient in gradients)
    assert any(np.abs(gradient).max() > 0 for gradient in gradients)


@pytest.mark.parametrize(("bands", "classes", "size"), [(1, 2, (48, 48)), (12, 7, (65, 51))])
@pytest.mark.parametrize("name", ALL)
def test_any_bands_classes_and_sizes(name, bands, classes, size, narrow):
    network = tiny(name, height=size[0], width=size[1], bands=bands, classes=classes)
    found = answer(network, np.random.default_rng(1).random((1, *size, bands), dtype=np.float32))
    assert found.shape == (1, *size, classes)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)


def test_own_networks_import_nothing_but_keras():
    """So that another backend than TensorFlow can train them; what `zoo` and `keras2` take over is not our own."""
    folder = Path(deeplab.__file__).parent
    allowed = {*sys.stdlib_module_names, "numpy", "keras", "core"}
    for path in folder.glob("*.py"):
        if path.name in ("zoo.py", "keras2.py"):
            continue
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
        assert {name.split(".")[0] for name in names} <= allowed, path.name


@pytest.mark.parametrize(("name", "filters"), [("unet-small", (8, 16, 32)), ("fast", (8, 16, 24, 32)), ("attention-unet", (8, 16, 32))])
def test_eight_patches_are_learned_by_heart(name, filters):
    from core.training.losses import SegmentationLoss

    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 3, (8, 4, 4))
    masks = blocks.repeat(8, 1).repeat(8, 2).astype(np.uint8)
    # Two of the three classes have the same colour: only their place in the patch tells them apart.
    images = (np.stack([masks > 0, masks == 0], -1) + rng.normal(0, 0.1, (8, 32, 32, 2))).astype(np.float32)
    keras.utils.set_random_seed(0)
    network = build(name, height=32, width=32, bands=2, classes=3, filters=filters, dropout=0.0)
    network.compile(optimizer=keras.optimizers.Adam(3e-3), loss=SegmentationLoss("cross_entropy"))
    for _ in range(20):
        for _ in range(20):
            network.train_on_batch(images, masks)
        accuracy = (answer(network, images).argmax(-1) == masks).mean()
        if accuracy > 0.95:
            break
    assert accuracy > 0.95


def _gradients(network, batch):
    import tensorflow as tf

    from core.training.losses import SegmentationLoss

    with tf.GradientTape() as tape:
        loss = SegmentationLoss("dice_focal")(np.ones(batch.shape[:3], np.uint8), network(batch, training=True))
    return [None if gradient is None else gradient.numpy() for gradient in tape.gradient(loss, network.trainable_variables)]


@pytest.mark.parametrize("name", ["unet", "unet-small"])
def test_equal_seeds_build_equal_networks(name):
    batch = np.ones((1, 32, 32, 4), np.float32)
    first, second = (answer(tiny(name, height=32, width=32), batch) for _ in range(2))
    assert np.array_equal(first, second)


def test_the_default_unet_is_the_tutorials():
    network = build("unet", height=64, width=64, bands=3, classes=6)
    widths = [layer.filters for layer in network.layers if layer.name.startswith(("down", "bottom")) and layer.name.endswith("a_conv")]
    assert widths == [16, 32, 64, 128, 256]


def test_the_resnet_of_deeplab_is_the_published_one():
    theirs = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(32, 32, 3))
    ours = build("deeplabv3plus", height=32, width=32, bands=3, classes=2)
    copied, _ = copy_weights(theirs, ours)
    assert copied == sum(bool(layer.weights) for layer in theirs.layers)
    batch = np.random.default_rng(0).random((1, 32, 32, 3), dtype=np.float32)
    # Up to the last stage, which is dilated, both see the same.
    seen = [keras.Model(network.input, network.get_layer("conv4_block6_out").output)(batch) for network in (theirs, ours)]
    np.testing.assert_allclose(seen[0], seen[1], atol=1e-5)


def test_deeplab_answers_what_it_always_did(narrow):
    """Recorded before rates were held at the size of the map; weights and image come from NumPy, not from a version of Keras."""
    network = build("deeplabv3", height=256, width=256, bands=3, classes=3)
    rng = np.random.default_rng(7)
    for variable in network.weights:
        drawn = rng.random(variable.shape, np.float32)
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(0.5 + drawn)
        else:
            variable.assign((drawn - 0.5) * (3.4 / np.sqrt(np.prod(variable.shape[:-1])) if drawn.ndim == 4 else 0.2))
    found = np.asarray(network(rng.random((1, 256, 256, 3), np.float32), training=False))[0, [0, 85, 170], 0]
    np.testing.assert_allclose(found, [[0.2951, 0.3626, 0.3423], [0.3102, 0.3654, 0.3244], [0.3060, 0.3738, 0.3202]], atol=1e-4)


@pytest.mark.parametrize("side", [1, 4, 16, 17])
def test_a_rate_past_the_rim_of_the_map_is_computed_at_the_rim(side, narrow):
    """Old files hold the published rates; what is built now gives the same values from the same weights."""
    inputs = keras.Input((side, side, 8))
    network = keras.Model(inputs, deeplab._pyramid(inputs, (6, 12, 18), 0.0))
    values = np.random.default_rng(0).random((1, side, side, 8), np.float32)
    for rate in (6, 12, 18):
        layer = network.get_layer(f"aspp_{rate}_conv")
        as_written = keras.layers.Conv2D.from_config({**layer.get_config(), "dilation_rate": rate})
        as_written.build(values.shape)
        as_written.set_weights(layer.get_weights())
        np.testing.assert_allclose(layer(values), as_written(values), atol=1e-6)


def test_a_pyramid_looks_no_farther_than_its_map():
    def rates(size):
        return fitted_rates("deeplabv3", height=size, width=size)

    assert [rates(size) for size in (32, 64, 128, 256, 512)] == [(1, 1, 1), (1, 2, 3), (2, 4, 6), (6, 12, 18), (6, 12, 18)]
    assert fitted_rates("deeplabv3plus", height=256, width=64) == (1, 2, 3) and fitted_rates("unet", height=64, width=64) is None
    network = build("deeplabv3", height=64, width=64, bands=3, classes=2, rates=rates(64))
    assert [network.get_layer(f"aspp_{rate}_conv").dilation_rate for rate in (6, 12, 18)] == [(1, 1), (2, 2), (3, 3)]


def test_the_zoo_is_all_that_works():
    from core.networks.zoo import library

    offered = [name for name in library().get_available_backbone_names() if not name.startswith("densenet")]
    assert set(ZOO_ENCODERS) == set(offered)


@pytest.mark.parametrize("encoder", ZOO_ENCODERS)
def test_published_normalisation_equals_the_librarys(encoder):
    from core.model_store.normalisation import normalise
    from core.networks.zoo import library

    image = np.random.default_rng(0).integers(0, 256, (1, 4, 4, 3)).astype(np.float32)
    theirs = library().get_preprocessing(encoder)(image.copy())
    ours = normalise(image, published_normalisation(encoder))
    np.testing.assert_allclose(ours[..., ::-1] if wants_bgr(encoder) else ours, theirs, atol=1e-4)


@pytest.mark.parametrize("encoder", ["resnet34", "vgg16", "mobilenetv2", "efficientnetb0"])
def test_other_bands_are_brought_to_what_the_encoder_knows(encoder):
    from core.model_store.normalisation import normalise

    rng = np.random.default_rng(0)
    published = published_normalisation(encoder)
    scene = rng.normal((500, 900, 3000, 40), (50, 300, 700, 4), (4000, 4))
    ours = normalise(scene, fitted_normalisation(encoder, list(scene.mean(0)), list(scene.std(0))))
    grey = 255 * np.mean([0.485, 0.456, 0.406]), 255 * np.mean([0.229, 0.224, 0.225])
    wanted = ((grey[0] - np.mean(published["mean"])) / np.mean(published["std"]), grey[1] / np.mean(published["std"]))
    np.testing.assert_allclose(ours.mean(0), wanted[0], atol=0.02 * wanted[1])
    np.testing.assert_allclose(ours.std(0), wanted[1], rtol=0.01)


def test_encoders_are_checked():
    assert resolve_encoder("unet", None) is None
    assert resolve_encoder("fpn", None) == "resnet34"
    with pytest.raises(SettingsError, match="densenet121"):
        resolve_encoder("unet", "densenet121")
    with pytest.raises(SettingsError, match="has its own"):
        resolve_encoder("unet-small", "resnet34")


@pytest.mark.parametrize(
    "change",
    [
        {"architecture_name": "unett"},
        {"classes": 1},
        {"bands": 0},
        {"height": 8},
        {"architecture_name": "fpn", "filters": (4, 8)},
        {"architecture_name": "fast", "filters": (4, 6, 8)},
    ],
)
def test_what_cannot_be_built_is_refused(change):
    with pytest.raises(InputError):
        build(**{"architecture_name": "unet", "height": 64, "width": 64, "bands": 3, "classes": 2, **change})
