"""Verb train: train a network on prepared patches; and what can be tried instead of training: probe, rate test, search.

With pandas imported before TensorFlow, training hangs on some machines (keras#23083), so neither may come in by
accident: the library is imported inside the functions, TensorFlow first.
"""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.model_store.normalisation import seams_warning
from core.progress import OnProgress, ShouldStop, report
from core.settings import REQUIRED, Settings, group, options, setting
from core.training.following.followers import following
from core.training.following.programs import FINISHED, STOPPED, read_loggers
from core.training.following.programs import FORM as LOGGERS
from core.training.settings import TrainSettings
from core.training.spread import machines
from core.verbs.options import add_option, request_of
from core.verbs.tables import score, table, whole
from core.verbs.verb import PASSING, Answer, OnEvent, Typed, Verb, place_of

if TYPE_CHECKING:
    from core.patches.joined import Prepared

PREPARED = "folder that `prepare` wrote"


@dataclass(frozen=True)
class TrainingRequest(Settings):
    """What all that trains can be told."""

    prepared: Path = setting(REQUIRED, PREPARED, flag="PREPARED")
    settings: TrainSettings = group(TrainSettings(), key="settings")
    also: tuple[Path, ...] = setting((), "another such folder to train on besides; repeatable", metavar="PREPARED", repeated=True)


@dataclass(frozen=True)
class TrainRequest(TrainingRequest):
    """What `train` can be told."""

    out: Path | None = setting(None, "folder for the model", flag="OUT")
    resume: bool = setting(False, "continue after the last epoch in OUT")
    loggers: tuple[str, ...] = setting((), f"who hears scores and settings besides: {LOGGERS}", metavar="X,X,...")


@dataclass(frozen=True)
class ProbeRequest(TrainingRequest):
    """What a probe can be told."""

    memory_budget_mib: float | None = setting(None, "memory that a batch may take, in MiB; found out when None", flag="")


@dataclass(frozen=True)
class RateTestRequest(TrainingRequest):
    """What a rate test can be told."""

    lowest: float = setting(1e-6, "the learning rate to begin with", flag="")
    highest: float = setting(1.0, "the learning rate to end with", flag="")
    steps: int = setting(100, "steps from the lowest to the highest", flag="")


@dataclass(frozen=True)
class SearchRequest(TrainingRequest):
    """What a search can be told."""

    out: Path | None = setting(None, "folder for the trials", flag="OUT")
    learning_rates: tuple[float, ...] = setting((1e-4, 3e-4, 1e-3, 3e-3), "for --search", metavar="X,X,...")
    batch_sizes: tuple[int, ...] = setting((4, 8), "for --search", metavar="N,N,...")
    filters: tuple[int, ...] = setting(
        (), "of the finest level, for --search; deeper levels in proportion", metavar="N,N,...", flag="--search-filters"
    )
    epochs: int = setting(2, "in each round of --search", metavar="N", flag="--search-epochs")
    patches_per_epoch: int | None = setting(None, "patches that make an epoch; all when None", flag="")
    resume: bool = setting(False, "go on with what an earlier search left")


def run(
    asked: TrainRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, on_event: OnEvent | None = None
) -> Answer:
    """Train a network on prepared patches; each epoch becomes an event of type "epoch", and its steps so far one that passes."""
    # What is not installed is told before TensorFlow starts. Of several machines one writes.
    wanted = read_loggers(asked.loggers) if machines()[1] else ()
    store = _begin(asked, on_progress)
    from core.training.training import train

    out = place_of(asked.out)

    def tell(kind: str) -> OnEvent:
        return lambda record: on_event({**record, "type": kind}) if on_event is not None else None

    def told(line: dict[str, Any]) -> None:
        tell("epoch")(line)
        followers.add(line)
        for sentence in followers.fresh():
            tell("warning")({"message": sentence})

    with following(wanted, out, asked.settings.name or out.name, asked.settings.to_dict(), resume=asked.resume) as followers:
        result = train(
            store,
            out,
            asked.settings,
            on_progress=on_progress,
            should_stop=should_stop,
            on_epoch=told,
            on_steps=tell(PASSING),
            resume=asked.resume,
        )
        followers.state = STOPPED if result.stopped else FINISHED
    seams = seams_warning(result.card.normalisation)
    return {**result.summary(), "folder": str(asked.out), "warnings": [*([seams] if seams else []), *followers.warnings]}


def run_probe(asked: ProbeRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any) -> Answer:
    """Try a few steps of a training: time, memory, disk and batch size."""
    store = _begin(asked, on_progress)
    from core.training.probe import probe

    budget = asked.memory_budget_mib
    return probe(store, asked.settings, memory_budget_mib=budget, on_progress=on_progress, should_stop=should_stop)


def run_rate_test(
    asked: RateTestRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any
) -> Answer:
    """Find a learning rate by raising it from step to step."""
    store = _begin(asked, on_progress)
    from core.training.rate_search import rate_test

    return rate_test(
        store,
        asked.settings,
        lowest=asked.lowest,
        highest=asked.highest,
        steps=asked.steps,
        on_progress=on_progress,
        should_stop=should_stop,
    )


def run_search(asked: SearchRequest, *, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None, **_: Any) -> Answer:
    """Try learning rates, batch sizes and filters in short runs."""
    store = _begin(asked, on_progress)
    from core.training.search import search

    return search(
        store,
        place_of(asked.out),
        asked.settings,
        learning_rates=asked.learning_rates,
        batch_sizes=asked.batch_sizes,
        filters=asked.filters,
        epochs=asked.epochs,
        patches_per_epoch=asked.patches_per_epoch,
        resume=asked.resume,
        on_progress=on_progress,
        should_stop=should_stop,
    )


def _begin(asked: TrainingRequest, on_progress: OnProgress | None) -> Prepared:
    """The patches of a training, checked before the seconds that TensorFlow takes to start, and TensorFlow started."""
    from core.networks.architectures import resolve_encoder
    from core.patches.joined import open_patches

    store = open_patches(asked.prepared, asked.also)
    resolve_encoder(asked.settings.architecture, asked.settings.encoder)
    start_tensorflow(on_progress)
    return store


def start_tensorflow(on_progress: OnProgress | None) -> None:
    """Import TensorFlow before anything else does, with as little talk and as many threads as it needs."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("SM_FRAMEWORK", "tf.keras")
    if os.environ.get("TF_NUM_INTEROP_THREADS") == "1":
        # A training with one thread stood still; whether for want of a second one, or by the tuning that is off now, was not found out.
        os.environ["TF_NUM_INTEROP_THREADS"] = "2"
    report(on_progress, 0, 0, "Starting TensorFlow")
    importlib.import_module("tensorflow")


def summary(answer: Mapping[str, Any]) -> Iterable[str]:
    """Epochs and the scores of the best one."""
    yield f"{answer['epochs']} epochs, the best one is number {answer['best_epoch']}"
    scores = answer["validation"] or {}
    yield f"Validation: mean IoU {score(scores.get('mean_iou'))}, accuracy {score(scores.get('accuracy'))}"
    yield from answer.get("warnings", ())
    yield f"Model in {answer['folder']}"


def summary_of_probe(answer: Mapping[str, Any]) -> Iterable[str]:
    """Time, memory and disk of a training, and the batch size that suits the machine."""
    one = answer["epoch_s"]
    yield f"{answer['parameters']:,} parameters on {answer['device']}, batches of {answer['batch_size']}"
    if one is None:
        yield "A batch of this size does not fit into memory"
    else:
        yield f"An epoch takes about {one:.1f} s (training {answer['train_s']:.1f}, validation {answer['validation_s']:.1f})"
        yield f"All epochs take at most {answer['total_s'] / 60:.1f} min, and {answer['start_s']:.0f} s to start"
        yield f"Memory {answer['peak_memory_mib']:.0f} MiB, disk {answer['disk_mib']:.0f} MiB"
    rows = [(each["batch_size"], score(each["patches_per_s"]), whole(each["peak_memory_mib"])) for each in answer["sizes"]]
    yield from table(("batch size", "patches/s", "memory (MiB)"), rows)
    yield f"Proposed batch size: {answer['proposed_batch_size']}"


def summary_of_rate_test(answer: Mapping[str, Any]) -> Iterable[str]:
    """The learning rate to take."""
    suggested = answer["suggested"]
    yield f"{len(answer['rates'])} steps from {answer['rates'][0]:.2g} to {answer['rates'][-1]:.2g}"
    yield "The loss never fell: try other settings" if suggested is None else f"Suggested learning rate: {suggested:.2g}"


def summary_of_search(answer: Mapping[str, Any]) -> Iterable[str]:
    """All trials, and the best one."""
    with_filters = any(trial.get("filters") for trial in answer["trials"])
    rows = [
        (
            f"{trial['learning_rate']:g}",
            trial["batch_size"],
            *([",".join(str(channels) for channels in trial["filters"])] if with_filters else []),
            trial["epochs"],
            score(trial["score"]),
            trial["state"],
        )
        for trial in answer["trials"]
    ]
    yield from table(("learning rate", "batch size", *(["filters"] if with_filters else []), "epochs", answer["monitor"], "state"), rows)
    best = answer["best"]
    if not best:
        yield "No trial came to a score"
        return
    width = f", filters {','.join(str(channels) for channels in best['filters'])}" if best.get("filters") else ""
    yield f"Best: learning rate {best['learning_rate']:g}, batch size {best['batch_size']}{width}"


def _arguments(parser: argparse.ArgumentParser) -> None:
    own = {option.key: option for option in options(TrainRequest)}
    for key in ("prepared", "out", "also", "resume", "loggers"):
        add_option(parser, own[key])
    instead = parser.add_mutually_exclusive_group()
    for name, words in _INSTEAD_OF_TRAINING.items():
        instead.add_argument(f"--{name.replace('_', '-')}", dest="instead", action="store_const", const=name, help=words)
    for option in options(SearchRequest):
        if option.key not in own:
            add_option(parser, option)
    add_option(parser, own["settings"])


def _typed(given: argparse.Namespace) -> Typed:
    request = request_of(given)
    instead = request.pop("instead")
    verb = VERB if instead is None else next(verb for verb in INSTEAD if verb.name == instead)
    return verb, {key: value for key, value in request.items() if key in (*verb.required, *verb.optional)}


_INSTEAD_OF_TRAINING = {
    "probe": "train nothing: time per epoch, memory, disk and a batch size, in a minute",
    "rate_test": "train nothing: find a learning rate by raising it step by step",
    "search": "short runs over --learning-rates and --batch-sizes; --resume goes on",
}

VERB = Verb(
    "train",
    TrainRequest,
    run,
    summary,
    place="models",
    heavy=True,
    kept="The best model so far is",
    arguments=_arguments,
    typed=_typed,
)
INSTEAD = (
    Verb("probe", ProbeRequest, run_probe, summary_of_probe, heavy=True),
    Verb("rate_test", RateTestRequest, run_rate_test, summary_of_rate_test, heavy=True),
    Verb("search", SearchRequest, run_search, summary_of_search, place="searches", heavy=True, kept="What the trials did is kept"),
)
