from core.jobs import records
from core.jobs.jobs import Job
from core.jobs.runs import histories, settings_differences, settings_of


def made(workspace, name, settings, epochs):
    folder = workspace.runs / name
    folder.mkdir()
    records.write_patiently(folder / records.REQUEST, {"kind": "train", "title": None, "request": {"settings": settings}})
    for epoch in epochs:
        records.append_event(folder, {"type": "epoch", **epoch})
        records.append_event(folder, {"type": "state", "state": "running"})
    return Job(folder)


def test_an_epoch_that_ran_twice_counts_once_as_it_was_the_last_time(workspace):
    first = made(workspace, "a", {}, [{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 2.5}, {"epoch": 2, "loss": 2.0}])
    second = made(workspace, "b", {}, [{"epoch": 1, "loss": 1.0, "class": "Road"}, {"epoch": 1, "loss": 0.5, "class": "Water"}])
    assert histories([first, second]) == {
        "a": [{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 2.0}],
        "b": [{"epoch": 1, "loss": 1.0, "class": "Road"}, {"epoch": 1, "loss": 0.5, "class": "Water"}],
    }


def test_only_what_differs_is_told(workspace):
    first = made(workspace, "a", {"epochs": 3, "name": "one"}, [])
    second = made(workspace, "b", {"epochs": 3, "weights": "imagenet", "augmentation": {"hue": 0.1}, "name": "two"}, [])
    assert settings_differences({job.name: settings_of(job) for job in (first, second)}) == {
        "weights": {"a": "none", "b": "imagenet"},
        "augmentation.hue": {"a": 0.0, "b": 0.1},
    }
    assert settings_differences({"a": settings_of(first)}) == {}
    assert settings_differences({"a": {"x": 1}, "b": {}}) == {"x": {"a": 1, "b": None}}
