import keras
import numpy as np

from core.networks import build
from core.networks.copying import copy_weights


def unet(bands=3, classes=3, seed=0, filters=(4, 6)):
    keras.utils.set_random_seed(seed)
    return build("unet", height=32, width=32, bands=bands, classes=classes, filters=filters)


def layer_weights(network, name):
    return network.get_layer(name).get_weights()


def test_everything_is_copied_between_equal_networks():
    source, target = unet(seed=1), unet(seed=2)
    copied, total = copy_weights(source, target)
    assert copied == total
    batch = np.random.default_rng(0).random((1, 32, 32, 3), dtype=np.float32)
    np.testing.assert_allclose(source.predict_on_batch(batch), target.predict_on_batch(batch), atol=1e-6)


def test_the_head_stays_new_when_the_classes_differ():
    source, target = unet(classes=3, seed=1), unet(classes=5, seed=2)
    before = layer_weights(target, "head")[0].copy()
    copied, total = copy_weights(source, target)
    assert copied == total - 1
    assert np.array_equal(layer_weights(target, "head")[0], before)
    assert np.array_equal(layer_weights(target, "bottom_a_conv")[0], layer_weights(source, "bottom_a_conv")[0])


def test_more_bands_inflate_the_first_layer():
    source, target = unet(bands=3, seed=1), unet(bands=6, seed=2)
    copied, total = copy_weights(source, target)
    assert copied == total
    old, new = layer_weights(source, "down0_a_conv")[0], layer_weights(target, "down0_a_conv")[0]
    np.testing.assert_allclose(new.sum(2), old.sum(2), atol=1e-6)
    # A grey picture looks the same to both.
    grey = np.random.default_rng(0).random((1, 32, 32, 1), dtype=np.float32)
    np.testing.assert_allclose(source.predict_on_batch(np.repeat(grey, 3, -1)), target.predict_on_batch(np.repeat(grey, 6, -1)), atol=1e-5)


def test_networks_of_other_depth_share_layers_by_name():
    source, target = unet(seed=1), unet(seed=2, filters=(4, 6, 8))
    copied, total = copy_weights(source, target)
    assert 0 < copied < total
    assert np.array_equal(layer_weights(target, "down0_b_conv")[0], layer_weights(source, "down0_b_conv")[0])
