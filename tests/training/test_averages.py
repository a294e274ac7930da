from dataclasses import replace

import keras
import numpy as np
import pytest

from core.errors import SettingsError
from core.training.settings import TrainSettings
from core.training.training import train
from tests.helpers import learning_fakes as fakes

# One step per epoch, and a loss that always counts as better: `model.keras` is what each step left.
STEP = TrainSettings(
    epochs=1, steps_per_epoch=1, batch_size=4, filters=(2, 4), dropout=0.0, learning_rate=5e-3, patience=0, augment=False, seed=3
)


def weights_in(folder):
    return [np.asarray(variable) for variable in keras.models.load_model(folder / "model.keras", compile=False).trainable_variables]


@fakes.untraced()
def trained(folder, *, resume=False, **changes):
    """The weights that each step left."""
    left = []
    train(
        fakes.store(validation=0, size=16),
        folder,
        replace(STEP, **changes),
        resume=resume,
        on_epoch=lambda _: left.append(weights_in(folder)),
    )
    return left


@pytest.fixture(scope="module")
def always_better():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.training.run.Run._is_better", lambda run, value: True)
        yield


@pytest.fixture(scope="module")
def averages(tmp_path_factory, always_better):
    """What an unbroken run of three steps left, with the average of the weights."""
    return trained(tmp_path_factory.mktemp("averaged"), epochs=3, average_weights=0.75)


def test_the_average_of_two_steps_by_hand(tmp_path, averages, always_better):
    first, second = trained(tmp_path, epochs=2)
    assert any(np.abs(one - two).max() > 1e-3 for one, two in zip(first, second, strict=True))
    # The average begins with the weights after the first step: 0.75 of those and 0.25 of the weights after the second.
    for average, one, two in zip(averages[1], first, second, strict=True):
        np.testing.assert_allclose(average, 0.75 * one + 0.25 * two, atol=1e-6)


def test_a_resumed_run_goes_on_from_the_weights_and_not_from_their_average(tmp_path, averages, always_better):
    trained(tmp_path, epochs=2, average_weights=0.75)
    trained(tmp_path, epochs=3, average_weights=0.75, resume=True)
    for one, other in zip(averages[2], weights_in(tmp_path), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_average_of_nothing_new_is_refused():
    with pytest.raises(SettingsError, match="average_weights"):
        TrainSettings(average_weights=1.0)
