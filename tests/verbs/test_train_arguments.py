"""What `train` can do instead of training becomes a request of its own kind."""

from pathlib import Path

import pytest

from core.verbs import registry

WORDS = ["train", "patches", "model", "--epochs", "3", "--augmentation", "hue=0.1,flips=no"]
SETTINGS = {"epochs": 3, "augmentation": {"hue": 0.1, "flips": False}}


def asked(*words):
    options = registry.command_line([*WORDS, *words]).parse_args([*WORDS, *words])
    verb, request = options.typed(options)
    return verb.name, request


def test_training_itself():
    assert asked("--resume") == ("train", {"prepared": "patches", "out": "model", "resume": True, "settings": SETTINGS})


@pytest.mark.parametrize("flag", [(), ("--probe",), ("--rate-test",), ("--search",)])
def test_more_patches_are_named_one_by_one(flag):
    kind, request = asked("--also", "more", "--also", "most", *flag)
    full = registry.complete(kind, request)
    assert full["also"] == [str(Path("more").absolute()), str(Path("most").absolute())]
    assert registry.find(kind).settings.from_request(full).also == (Path("more").absolute(), Path("most").absolute())


@pytest.mark.parametrize("flag", ["--probe", "--rate-test"])
def test_measuring_needs_no_place(flag):
    kind, request = asked(flag)
    assert kind == flag.strip("-").replace("-", "_") and request == {"prepared": "patches", "settings": SETTINGS}
    registry.complete(kind, request)


def test_a_search_has_its_grid():
    words = ("--learning-rates", "1e-3,0.01", "--batch-sizes", "2,4", "--search-epochs", "5", "--search-filters", "8,16")
    kind, request = asked("--search", *words)
    assert kind == "search" and request["settings"] == SETTINGS
    full = registry.complete(kind, request)
    assert full["filters"] == [8, 16] and "filters" not in full["settings"]
    assert (full["learning_rates"], full["batch_sizes"], full["epochs"], full["resume"]) == ([0.001, 0.01], [2, 4], 5, False)


def test_one_of_them_at_a_time(capsys):
    with pytest.raises(SystemExit):
        asked("--probe", "--search")
    assert "not allowed with" in capsys.readouterr().err
