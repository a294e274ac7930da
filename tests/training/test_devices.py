from dataclasses import replace

import keras
import numpy as np
import pytest

from core.datasets.datasets import open_dataset
from core.model_store.models import find_model
from core.patches.prepare import prepare
from core.training.devices import mixed_policy
from core.training.settings import TrainSettings
from core.training.training import train
from core.workspace import PROJECT
from tests.helpers import learning_fakes as fakes


@pytest.mark.parametrize(
    ("setting", "accelerators", "policy"),
    [
        ("auto", [], None),
        ("on", [], "mixed_bfloat16"),
        ("auto", [(6, 1)], None),
        ("auto", [(7, 5)], "mixed_float16"),
        ("auto", [(8, 0), (9, 0)], "mixed_bfloat16"),
        ("auto", [(9, 0), (7, 0)], "mixed_float16"),  # the weakest of several decides
        ("off", [(9, 0)], None),
        ("auto", [(0,)], None),  # an accelerator that does not tell what it can
    ],
)
def test_the_device_chooses_the_precision(setting, accelerators, policy):
    assert mixed_policy(setting, accelerators) == policy


@fakes.untraced()
def test_mixed_precision_learns_and_saves_an_ordinary_network(tmp_path):
    store = fakes.store(size=16)
    settings = TrainSettings(
        epochs=2, batch_size=4, filters=(4, 8), learning_rate=5e-3, patience=0, augment=False, dropout=0.0, mixed_precision="on"
    )
    result = train(store, tmp_path / "mixed", settings)
    assert "mixed precision (bfloat16)" in result.card.training["device"]
    assert keras.config.dtype_policy().name == "float32"
    network = find_model(tmp_path / "mixed").keras_model()
    assert {layer.compute_dtype for layer in network.layers} == {"float32"}
    # The same run in full precision ends close by: bfloat16 has 8 bits of mantissa.
    plain = train(store, tmp_path / "plain", replace(settings, mixed_precision="off"))
    weights = [find_model(tmp_path / name).keras_model().get_weights() for name in ("mixed", "plain")]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=0.05)
    assert result.validation["accuracy"] == pytest.approx(plain.validation["accuracy"], abs=0.1)
    # It goes on from its last epoch like any other run.
    assert train(store, tmp_path / "mixed", replace(settings, epochs=3), resume=True).epochs == 3


@fakes.untraced()
def test_the_attention_network_trains_on_the_landslide_sample(tmp_path):
    dataset = open_dataset(PROJECT / "sample_data" / "landslides")
    store = prepare(dataset, tmp_path / "patches", patch_size=64, stride=64, split="random", validation=0.3)
    settings = TrainSettings(architecture="attention-unet", filters=(4, 8), epochs=1, batch_size=4, steps_per_epoch=3, patience=0)
    result = train(store, tmp_path / "run", settings)
    card = find_model(tmp_path / "run").card
    assert len(card.bands) == store.images.shape[-1] == 14 and card.normalisation["kind"] == "standard"
    assert result.epochs == 1 and card.scheme == store.scheme
