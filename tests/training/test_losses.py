import math

import numpy as np
import pytest

from core.training.losses import SegmentationLoss
from core.training.settings import LOSSES

LN2 = math.log(2)
# Pixel a is class 0 with p = (0.5, 0.5), pixel b class 1 with p = (0.75, 0.25), pixel c is not labelled.
TRUTH = np.array([[[0, 1, 255]]], np.uint8)
GUESS = np.array([[[[0.5, 0.5], [0.75, 0.25], [0.01, 0.99]]]], np.float32)


def value(kind, truth=TRUTH, guess=GUESS, weights=None):
    return float(SegmentationLoss(kind, weights)(truth, guess))


def test_cross_entropy_by_hand():
    assert value("cross_entropy") == pytest.approx((LN2 + 2 * LN2) / 2, abs=1e-5)


def test_cross_entropy_with_class_weights_by_hand():
    assert value("cross_entropy", weights=[1, 3]) == pytest.approx((1 * LN2 + 3 * 2 * LN2) / (1 + 3), abs=1e-5)


def test_focal_by_hand():
    # (1 - 0.5)^2 ln 2 and (1 - 0.25)^2 2 ln 2
    assert value("focal") == pytest.approx((0.25 * LN2 + 0.5625 * 2 * LN2) / 2, abs=1e-5)


def test_dice_by_hand():
    # class 0: hit 0.5, truth 1, guessed 0.5 + 0.75; class 1: hit 0.25, truth 1, guessed 0.5 + 0.25
    assert value("dice") == pytest.approx(1 - (2 * 0.5 / (1 + 1.25) + 2 * 0.25 / (1 + 0.75)) / 2, abs=1e-5)


def test_tversky_by_hand():
    # hit / (hit + 0.7 missed + 0.3 invented)
    zero, one = 0.5 / (0.5 + 0.7 * 0.5 + 0.3 * 0.75), 0.25 / (0.25 + 0.7 * 0.75 + 0.3 * 0.5)
    assert value("tversky") == pytest.approx(1 - (zero + one) / 2, abs=1e-5)


def test_lovasz_by_hand():
    # class 0: errors b 0.75 (not of the class), a 0.5 (of it): Jaccard loss 1/2, then 1: 0.75 * 0.5 + 0.5 * 0.5 = 0.625
    # class 1: errors b 0.75 (of the class), a 0.5: Jaccard loss 1, then 1: 0.75 * 1 + 0.5 * 0 = 0.75
    assert value("lovasz") == pytest.approx((0.625 + 0.75) / 2, abs=1e-5)


@pytest.mark.parametrize("kind", ["dice_focal", "dice_cross_entropy", "tversky_focal", "lovasz_cross_entropy"])
def test_sums_are_sums(kind):
    first, second = kind.split("_", 1)
    assert value(kind) == pytest.approx(value(first) + value(second), abs=1e-5)


def random_case(seed, classes=4):
    rng = np.random.default_rng(seed)
    truth = rng.choice([*range(classes - 1), 255], (2, 5, 3)).astype(np.uint8)  # the last class is absent
    guess = rng.dirichlet(np.ones(classes), (2, 5, 3)).astype(np.float32)
    return truth, guess


@pytest.mark.parametrize("kind", LOSSES)
def test_ignored_pixels_never_count(kind):
    truth, guess = random_case(1)
    other = guess.copy()
    other[truth == 255] = [0, 0, 0, 1]
    assert value(kind, truth, guess) == pytest.approx(value(kind, truth, other), abs=1e-6)


@pytest.mark.parametrize("kind", LOSSES)
def test_nothing_labelled_costs_nothing(kind):
    assert value(kind, np.full((1, 2, 2), 255, np.uint8), np.full((1, 2, 2, 3), 1 / 3, np.float32)) == 0


@pytest.mark.parametrize("kind", LOSSES)
def test_right_is_nearly_zero_and_wrong_is_more(kind):
    truth, guess = random_case(2)
    perfect = np.eye(4, dtype=np.float32)[np.where(truth == 255, 0, truth)]
    assert value(kind, truth, perfect) == pytest.approx(0, abs=1e-4)
    assert value(kind, truth, guess) > 0.1


@pytest.mark.parametrize("kind", LOSSES)
def test_a_step_against_the_gradient_lowers_it(kind):
    import tensorflow as tf

    truth, guess = random_case(3)
    logits = tf.Variable(np.log(guess))
    loss = SegmentationLoss(kind, [1, 2, 1, 0.5])
    with tf.GradientTape() as tape:
        before = loss(truth, tf.nn.softmax(logits))
    gradient = tape.gradient(before, logits)
    assert np.isfinite(gradient.numpy()).all()
    assert np.abs(gradient.numpy()[truth == 255]).max() < 1e-6
    logits.assign_sub(0.5 * gradient)
    assert float(loss(truth, tf.nn.softmax(logits))) < float(before)
