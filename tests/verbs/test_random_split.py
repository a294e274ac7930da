from pathlib import Path

from core.datasets.datasets import open_dataset
from core.patches.prepare import prepare
from core.patches.settings import PrepareSettings
from core.training.settings import TrainSettings
from core.verbs import evaluate, registry
from core.verbs import prepare as cutting
from core.verbs import train as learning
from tests.pages.test_train import small_dataset


def test_the_recipe_is_repeated_on_a_random_split_of_the_same_patches(tmp_path, monkeypatch):
    dataset = small_dataset(tmp_path / "city")
    prepare(open_dataset(dataset), tmp_path / "honest", patch_size=16, stride=8, seed=5, min_labelled=0.2)
    asked, told = [], []

    def heard(name):
        def run(asked_of_it, *, on_progress, **_):
            asked.append(asked_of_it)
            on_progress(1, 2, name)
            return {"kind": name}

        return run

    for name, module in (("prepare", cutting), ("train", learning), ("evaluate", evaluate)):
        monkeypatch.setattr(module, "run", heard(name))
    request = {"prepared": tmp_path / "honest", "dataset": dataset, "settings": {"epochs": 2}, "out": tmp_path / "score"}
    request |= {"patches": tmp_path / "leaked", "model": tmp_path / "net"}
    answer = registry.run("random_split", request, on_progress=lambda *step: told.append(step))
    cut, learn, measure = asked
    assert answer == {"kind": "evaluate"}
    assert cut.cutting == PrepareSettings(16, 8, 0.2, "random", seed=5, bands=(1, 2, 3), not_labelled=())
    assert cut.out == learn.prepared == measure.patches == tmp_path / "leaked"
    assert learn.settings == TrainSettings(epochs=2) and learn.out == Path(measure.model) == tmp_path / "net"
    assert (measure.scenes, measure.dataset, measure.out) == ("validation", dataset, tmp_path / "score")
    # Half of each part: 0 to 100, 100 to 900, 900 to 1000.
    assert told == [(50, 1000, "prepare"), (500, 1000, "train"), (950, 1000, "evaluate")]
