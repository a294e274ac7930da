"""Several devices and several machines give what one device gives."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.errors import SettingsError
from core.training.feeding import device_rows
from core.training.spread import MACHINES_VARIABLE, machines
from core.training.training import train
from tests.helpers import learning_fakes as fakes
from tests.helpers import spread_run

ROOT = Path(__file__).resolve().parents[2]


def free_ports(count):
    import socket

    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(folder, parts, place=None):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    if place is not None:
        environment[MACHINES_VARIABLE] = json.dumps(place)
    command = [sys.executable, "-m", "tests.helpers.spread_run", str(folder), str(parts)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Runs of equal settings: on one device, on two parts of the processor, on two machines (one folder for both)."""
    root = tmp_path_factory.mktemp("spread")
    cluster = {"worker": [f"localhost:{port}" for port in free_ports(2)]}
    workers = [start(root / "machines", 1, {"cluster": cluster, "task": {"type": "worker", "index": i}}) for i in (0, 1)]
    mirrored = start(root / "mirrored", 2)
    with fakes.untraced():
        train(spread_run.store(), root / "one", spread_run.SETTINGS)
    for process in (*workers, mirrored):
        output = process.communicate(timeout=500)[0]
        assert process.returncode == 0, output
    return root


def history(folder):
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("how", ["mirrored", "machines"])
def test_two_devices_learn_what_one_learns(folders, how):
    lines, wanted = history(folders / how), history(folders / "one")
    assert [line["epoch"] for line in lines] == [1, 2]
    for line, other in zip(lines, wanted, strict=True):
        for name in ("loss", "accuracy", "mean_iou", "val_loss", "val_accuracy"):
            assert line[name] == pytest.approx(other[name], rel=1e-3, abs=1e-3), name


def test_only_the_chief_writes_and_the_card_names_the_machines(folders):
    files = {path.name for path in (folders / "machines").iterdir()}
    assert files == {path.name for path in (folders / "one").iterdir()}
    assert len(list((folders / "machines" / "tensorboard").iterdir())) == 2  # one file for each start
    card = json.loads((folders / "machines" / "card.json").read_text())
    assert card["training"]["device"].startswith("2 machines") and card["training"]["state"] == "finished"


def test_each_device_gets_its_part_of_each_batch():
    order = np.arange(10).reshape(2, 5)  # two batches of five for four devices: two rows each, filled up with the first ones
    rows, first = device_rows(order, 4)
    assert rows.tolist() == [[0, 1], [2, 3], [4, 0], [1, 2], [5, 6], [7, 8], [9, 5], [6, 7]]
    assert first.tolist() == [0, 2, 4, 6] * 2
    halves = [device_rows(order, 4, machine=i, machines=2) for i in (0, 1)]
    assert halves[0][0].tolist() == [[0, 1], [2, 3], [5, 6], [7, 8]] and halves[0][1].tolist() == [0, 2, 0, 2]
    assert halves[1][0].tolist() == [[4, 0], [1, 2], [9, 5], [6, 7]] and halves[1][1].tolist() == [4, 6, 4, 6]


def test_the_place_among_the_machines(monkeypatch):
    monkeypatch.delenv(MACHINES_VARIABLE, raising=False)
    assert machines() == (1, True)
    for cluster, task, wanted in [
        ({"worker": ["a:1", "b:1"]}, ("worker", 0), (2, True)),
        ({"worker": ["a:1", "b:1"]}, ("worker", 1), (2, False)),
        ({"chief": ["c:1"], "worker": ["a:1"]}, ("worker", 0), (2, False)),
        ({"chief": ["c:1"], "worker": ["a:1"]}, ("chief", 0), (2, True)),
    ]:
        monkeypatch.setenv(MACHINES_VARIABLE, json.dumps({"cluster": cluster, "task": {"type": task[0], "index": task[1]}}))
        assert machines() == wanted
    for text in ("{", '{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}'):
        monkeypatch.setenv(MACHINES_VARIABLE, text)
        with pytest.raises(SettingsError, match=MACHINES_VARIABLE):
            machines()
