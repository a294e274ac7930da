from collections import Counter

import numpy as np
import pytest

from core.training.augmentation import Augmentation
from core.training.feeding import epoch_rows, load_batch, plain_batches, training_batches
from tests.helpers import learning_fakes as fakes

ROWS = np.array([3, 5, 8, 9, 11])


def halve(batch):
    return np.asarray(batch, np.float32) / 255


def test_each_row_once_and_the_last_batch_filled_with_the_first():
    order = epoch_rows(ROWS, batch_size=2, seed=0, epoch=0)
    assert order.shape == (3, 2)
    flat = order.ravel()
    assert set(flat[:5]) == set(ROWS.tolist()) and flat[5] == flat[0]


def test_a_batch_larger_than_the_data_shrinks():
    assert epoch_rows(ROWS, batch_size=64, seed=0, epoch=0).shape == (1, 5)


def test_order_depends_on_epoch_and_seed_alone():
    first = epoch_rows(ROWS, batch_size=5, seed=1, epoch=2)
    assert np.array_equal(first, epoch_rows(ROWS, batch_size=5, seed=1, epoch=2))
    others = [epoch_rows(ROWS, batch_size=5, seed=s, epoch=e) for s, e in ((1, 3), (2, 2), (1, 4), (3, 2))]
    assert any(not np.array_equal(first, other) for other in others)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_fixed_number_of_steps_visits_rows_equally(steps):
    order = epoch_rows(ROWS, batch_size=3, seed=0, epoch=0, steps=steps)
    assert order.shape == (steps, 3)
    visits = Counter(order.ravel().tolist())
    assert max(visits.values()) - min(visits.get(row, 0) for row in ROWS.tolist()) <= 1


def test_weighted_rows_come_as_often_as_their_weight():
    weights = np.array([0.7, 0.3, 0, 0, 0])
    flat = epoch_rows(ROWS, batch_size=10, seed=0, epoch=0, steps=400, weights=weights).ravel()
    assert set(flat.tolist()) == {3, 5}
    assert (flat == 3).mean() == pytest.approx(0.7, abs=0.05)  # 2000 draws: standard deviation 0.01


def test_tensors_equal_what_is_loaded_directly_in_order():
    store = fakes.store(train=6, size=16)
    order = epoch_rows(store.rows("train"), batch_size=2, seed=4, epoch=1)
    batches = list(training_batches(store, order, halve, augmentation=Augmentation(), seed=4, epoch=1))
    assert len(batches) == 3
    for rows, (images, masks) in zip(order, batches, strict=True):
        wanted = load_batch(store, rows, halve, augmentation=Augmentation(), seed=4, epoch=1)
        assert np.array_equal(images.numpy(), wanted[0]) and np.array_equal(masks.numpy(), wanted[1])


def test_plain_batches_are_never_changed():
    store = fakes.store(validation=3, size=16)
    rows = store.rows("validation")
    batches = list(plain_batches(store, rows, halve, batch_size=2))
    assert [len(images) for images, _ in batches] == [2, 1]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in batches]), store.images[rows].astype(np.float32) / 255)
    np.testing.assert_array_equal(np.concatenate([masks for _, masks in batches]), store.masks[rows])


def test_no_thread_is_left_that_the_end_of_an_epoch_waits_for():
    """TensorFlow's tuning thread sleeps up to a minute, and on one core an epoch of half a minute waited for it at its end."""
    store = fakes.store(train=6, size=16)
    batches = training_batches(store, np.array([[0, 1]]), halve, augmentation=None, seed=0, epoch=0)
    assert batches.options().autotune.enabled is False
