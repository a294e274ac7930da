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


def trained(folder, **changes):
    train(fakes.store(validation=0, size=16), folder, replace(STEP, **changes))
    network = keras.models.load_model(folder / "model.keras", compile=False)
    return [np.asarray(variable) for variable in network.trainable_variables]


@pytest.fixture(scope="module")
def always_better():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.training.run.Run._is_better", lambda run, value: True)
        yield


@pytest.fixture(scope="module")
def steps(tmp_path_factory, always_better):
    folder = tmp_path_factory.mktemp("plain")
    return [trained(folder / str(count), epochs=count) for count in (1, 2)]


def test_the_average_of_two_steps_by_hand(tmp_path, steps, always_better):
    first, second = steps
    assert any(np.abs(one - two).max() > 1e-3 for one, two in zip(first, second, strict=True))
    # The average begins with the weights after the first step: 0.75 of those and 0.25 of the weights after the second.
    for average, one, two in zip(trained(tmp_path / "a", epochs=2, average_weights=0.75), first, second, strict=True):
        np.testing.assert_allclose(average, 0.75 * one + 0.25 * two, atol=1e-6)


def test_a_resumed_run_goes_on_from_the_weights_and_not_from_their_average(tmp_path, always_better):
    whole = trained(tmp_path / "whole", epochs=3, average_weights=0.5)
    train(fakes.store(validation=0, size=16), tmp_path / "parts", replace(STEP, epochs=2, average_weights=0.5))
    settings = replace(STEP, epochs=3, average_weights=0.5)
    train(fakes.store(validation=0, size=16), tmp_path / "parts", settings, resume=True)
    network = keras.models.load_model(tmp_path / "parts" / "model.keras", compile=False)
    for one, other in zip(whole, network.trainable_variables, strict=True):
        np.testing.assert_array_equal(one, np.asarray(other))


def test_an_average_of_nothing_new_is_refused():
    with pytest.raises(SettingsError, match="average_weights"):
        TrainSettings(average_weights=1.0)
