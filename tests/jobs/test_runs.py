import json

import pytest

from core.jobs import records
from core.jobs.jobs import Job
from core.jobs.runs import best, by_class, class_lines, histories, lines, pictures, score, seconds, settings_differences, settings_of


def made(workspace, name, settings, epochs, out="m"):
    folder = workspace.runs / name
    folder.mkdir()
    request = {"prepared": "p", "out": str(out), "settings": settings}
    records.write_patiently(folder / records.REQUEST, {"kind": "train", "title": None, "request": request})
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


def test_the_best_epoch_and_its_time_are_told(workspace):
    epochs = [
        {"epoch": 1, "val_mean_iou": 0.4, "seconds": 2, "val_iou": {"Road": 0.3}},
        {"epoch": 2, "val_mean_iou": 0.6, "seconds": 3},
        {"epoch": 3, "val_mean_iou": None, "seconds": 4},
    ]
    job = made(workspace, "a", {}, epochs)
    assert best(lines(job))["epoch"] == 2 and score(job, lines(job)) == 0.6 and by_class(lines(job)) == {}
    assert class_lines(lines(job)) == {"Road": [(1, 0.3), (2, None), (3, None)]}
    assert seconds(lines(job), {"started": 100, "finished": 900}) == 9  # its epochs, not the pause of 791 s
    assert seconds([], {"started": 100, "finished": 900}) == 800 and seconds([], {"started": None, "finished": None}) is None


def test_one_network_per_class_is_scored_as_a_whole_once_it_is_merged(workspace):
    epochs = [{"epoch": 1, "val_mean_iou": 0.9, "val_iou": {"Road": 0.9}, "class": "Road"}]
    job = made(workspace, "a", {}, epochs)
    assert list(by_class(lines(job))) == ["Road"] and class_lines(lines(job)) == {"Road": [(1, 0.9)]}
    assert score(job, lines(job)) is None
    records.write_patiently(job.folder / records.RESULT, {"validation": {"mean_iou": 0.7}})
    assert score(job, lines(job)) == 0.7


@pytest.mark.parametrize(
    ("history", "shown"),
    [
        ([{"epoch": 1, "seconds": 2.25}, {"epoch": 2, "seconds": 2.5}], True),
        ([{"epoch": 1, "seconds": 1.75}, {"epoch": 2, "seconds": 1.5}], False),  # another run's
        ([{"epoch": 1, "seconds": 2.25, "class": "Road"}], False),
        ([], False),
        (["no record"], False),
    ],
)
def test_a_run_shows_its_own_pictures_only(workspace, tmp_path, history, shown):
    out = tmp_path / "m"
    (out / "previews").mkdir(parents=True)
    (out / "previews" / "epoch_0001.png").touch()
    (out / "history.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in history))
    job = made(workspace, "a", {}, [{"epoch": 1, "seconds": 2.25}, {"epoch": 2, "seconds": 2.5}], out)
    assert [path.name for path in pictures(job, lines(job))] == ["epoch_0001.png"] * shown
    assert pictures(job, []) == []
