"""What of an encoder learns: counted by which weights a step changes."""

import keras
import numpy as np
import pytest

from core.errors import SettingsError
from core.networks import build
from core.networks.freezing import freeze
from core.training.optimizers import make_optimizer
from core.training.settings import TrainSettings


def network(encoder="efficientnet-lite0", architecture="unet"):
    keras.utils.set_random_seed(0)
    return build(architecture, height=64, width=64, bands=3, classes=2, encoder=encoder)


def changed_by_a_step(model, optimizer):
    """Names of the layers whose trained weights or statistics one step changes, and by how much at most."""
    rng = np.random.default_rng(0)
    before = {layer.name: layer.get_weights() for layer in model.layers}
    trainer = keras.Model(model.inputs, model.outputs[0])
    # One step alone is done sooner than a graph of it is made.
    trainer.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", run_eagerly=True)
    trainer.train_on_batch(rng.random((2, 64, 64, 3), np.float32), rng.integers(0, 2, (2, 64, 64)))
    moved = {
        name: max((np.abs(a - b).max() for a, b in zip(old, model.get_layer(name).get_weights(), strict=True)), default=0)
        for name, old in before.items()
    }
    return {name: step for name, step in moved.items() if step > 0}


@pytest.mark.parametrize("what", ["nothing", "statistics", "early", "encoder"])
def test_only_what_is_not_frozen_changes(what):
    model = network()
    freeze(model, "unet", "efficientnet-lite0", what)
    moved = changed_by_a_step(model, keras.optimizers.SGD(0.1))
    encoder = {name for name in moved if name.startswith("encoder_")}
    assert any(name.startswith("up3") for name in moved) and "head" in moved
    assert ("encoder_block8_depthwise_conv" in encoder) == (what != "encoder")
    # The stem halves the picture; block 2 ends at a quarter, block 3 widens there before it halves again.
    for fine in ("encoder_stem_conv", "encoder_block2_project_conv", "encoder_block3_expand_conv"):
        assert (fine in encoder) == (what in ("nothing", "statistics")), fine
    assert any(name.endswith("_bn") for name in encoder) == (what == "nothing")


def test_the_encoder_learns_as_slowly_as_it_is_told():
    model = network()
    mine = freeze(model, "unet", "efficientnet-lite0", "statistics")
    slow = [number for number, variable in enumerate(model.trainable_variables) if id(variable) in mine]
    assert len(slow) == sum(layer.name.endswith("_conv") and layer.name.startswith("encoder_") for layer in model.layers)
    settings = TrainSettings(encoder="efficientnet-lite0", weights="imagenet", learning_rate=0.01, encoder_rate=0.1)
    moved = changed_by_a_step(model, make_optimizer(settings, slow))
    # Adam's first step is as long as the rate wherever there is a gradient.
    assert moved["head"] == pytest.approx(0.01, rel=0.02) and moved["encoder_block8_depthwise_conv"] == pytest.approx(0.001, rel=0.02)


def test_the_encoders_of_the_library_are_told_from_their_decoders():
    for architecture in ("unet", "linknet"):
        model = network("resnet18", architecture)
        freeze(model, architecture, "resnet18", "encoder")
        moved = changed_by_a_step(model, keras.optimizers.SGD(0.1))
        assert not any(name.startswith(("conv0", "stage", "bn")) for name in moved) and len(moved) > 10, architecture


def test_a_network_without_an_encoder_and_one_that_knows_nothing_have_nothing_to_freeze():
    plain = build("unet", height=32, width=32, bands=3, classes=2, filters=(4, 6))
    with pytest.raises(SettingsError, match="freeze early for unet without an encoder"):
        freeze(plain, "unet", None, "early")
    with pytest.raises(SettingsError, match="an encoder rate of 0.1 for unet without an encoder"):
        freeze(plain, "unet", None, "nothing", 0.1)
    assert freeze(plain, "unet", None, "nothing") == set()
    with pytest.raises(SettingsError, match="freeze early with random weights"):
        TrainSettings(encoder="efficientnet-lite0", freeze="early")
