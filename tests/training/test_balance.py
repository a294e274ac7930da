import numpy as np
import pytest

from core.errors import SettingsError
from core.training.balance import class_weights, half_weights, patch_weights


def test_none_is_none():
    assert class_weights("none", np.array([1, 2])) is None


def test_inverse_by_hand():
    # 1/0.75 and 1/0.25 = 4/3 and 4, mean 8/3: 0.5 and 1.5
    assert class_weights("inverse", np.array([300, 100])) == pytest.approx([0.5, 1.5])


def test_median_by_hand():
    # shares 0.5, 0.3, 0.2, median 0.3: 0.6, 1, 1.5, mean 3.1/3
    assert class_weights("median", np.array([50, 30, 20])) == pytest.approx(np.array([0.6, 1, 1.5]) / (3.1 / 3))


def test_effective_by_hand():
    # shares 0.9 and 0.1: (1 - 0.999) / (1 - 0.999^900) and / (1 - 0.999^100)
    raw = np.array([0.001 / (1 - 0.999**900), 0.001 / (1 - 0.999**100)])
    assert class_weights("effective", np.array([90, 10])) == pytest.approx(raw / raw.mean())


def test_an_absent_class_gets_nothing_and_the_rest_have_mean_one():
    weights = class_weights("inverse", np.array([10, 0, 30]))
    assert weights[1] == 0
    assert weights[[0, 2]].mean() == pytest.approx(1)


def test_a_speck_cannot_rule():
    weights = class_weights("inverse", np.array([10**9, 10**9, 1]))
    assert weights.max() / weights.min() <= 400 + 1e-9


def test_unknown_kind():
    with pytest.raises(SettingsError):
        class_weights("magic", np.array([1, 1]))


def test_patches_by_hand():
    # class 0: 30 of 40 and 10 of 40; class 1: all 5 in the second; class 2 nowhere
    assert patch_weights(np.array([[30, 0, 0], [10, 5, 0]])) == pytest.approx([(0.75 + 0) / 2, (0.25 + 1) / 2])


def test_patches_sum_to_one():
    counts = np.random.default_rng(0).integers(0, 50, (7, 4))
    assert patch_weights(counts).sum() == pytest.approx(1)
    assert patch_weights(np.zeros((4, 2))) == pytest.approx([0.25] * 4)


def test_every_second_draw_by_hand():
    assert half_weights(np.array([[30, 0, 0], [10, 5, 0]])) == pytest.approx([(0.375 + 0.5) / 2, (0.625 + 0.5) / 2])
