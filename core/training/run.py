"""A run: one network trained epoch by epoch, each of which leaves a usable model and a point to go on from."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.confusion import Confusion
from core.errors import Cancelled, DatasetError, SettingsError
from core.files import dump_json, replacing, write_json
from core.model_store.cards import CARD_FILE, WEIGHTS_FILE, ModelCard
from core.model_store.normalisation import read_normalisation
from core.networks.architectures import architecture, fitted_rates, published_encoder, resolve_encoder
from core.networks.encoders import ZOO_ENCODERS, fitted_normalisation, published_normalisation
from core.patches.class_view import Patches
from core.patches.stretched_view import fed
from core.progress import OnProgress, ShouldStop
from core.training.balance import class_weights, half_weights, patch_weights
from core.training.checkpoints import (
    HISTORY_FILE,
    LAST_FILE,
    PREVIEWS,
    SETTINGS_FILE,
    Place,
    RunState,
    load_last,
    peek_last,
    save_last,
)
from core.training.event_files import EVENTS_FOLDER, EventFiles
from core.training.feeding import epoch_rows, training_batches
from core.training.previews import choose_rows, save_preview
from core.training.settings import TrainSettings
from core.training.spread import machines


@dataclass(frozen=True)
class TrainResult:
    """A trained model: its folder and card, epochs run, the best one (from 1; 0 = none was finished), and scores.

    `stopped`: the user ended it; the model is the best one so far, and there is none before the first epoch has ended.
    """

    folder: Path
    card: ModelCard
    epochs: int
    best_epoch: int
    validation: dict[str, Any]
    stopped: bool = False

    def summary(self) -> dict[str, Any]:
        """The command line's keys."""
        return {
            "model": str(self.folder),
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "validation": self.validation,
            "stopped": self.stopped,
        }


def train_one(store: Patches, folder: Path, settings: TrainSettings, *, resume: bool, **callables: Any) -> TrainResult:
    """`core.training.training.train` for one network, in exactly this folder."""
    run = Run(store, folder, settings)
    run.open(resume=resume, on_progress=callables.get("on_progress"), should_stop=callables.get("should_stop"))
    try:
        return run.go(**callables)
    finally:
        run.events.close()


class Run:
    """One run's objects: `open` builds them, `go` loops over epochs; the rest is what a loop is made of, also for a probe."""

    def __init__(self, store: Patches, folder: Path, settings: TrainSettings):
        self.store, self.folder, self.settings = store, folder, settings
        self.name = settings.name or folder.name
        self.encoder = resolve_encoder(settings.architecture, settings.encoder)
        self.train_rows, self.validation_rows = np.asarray(store.rows("train")), np.asarray(store.rows("validation"))
        if not len(self.train_rows):
            raise DatasetError(
                "no training patches", expected="at least one", do="Prepare the data with a smaller patch size or another split"
            )
        self.monitor = settings.monitor if len(self.validation_rows) else "loss"
        self.state = RunState()

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.settings.steps_per_epoch or -(-len(self.train_rows) // min(self.settings.batch_size, len(self.train_rows)))

    def open(self, *, resume: bool, on_progress: OnProgress | None = None, should_stop: ShouldStop | None = None) -> None:
        """Make the network ready: a new one, or with `resume` the one of the last epoch that was written."""
        from core.training.devices import prepare_network

        self.place = Place(self.folder, resume=resume)
        self.folder = self.place.now
        saved = peek_last(self.folder) if resume else None
        if self.place.settled:
            self.folder.mkdir(parents=True, exist_ok=True)
        counts = np.asarray(self.store.counts["train"])
        self.prepared = prepare_network(
            self.settings,
            self.encoder,
            sizes=self._sizes(),
            # A run that goes on keeps the network that it was begun with.
            options=self.network_options() if saved is None else ModelCard.load(self.folder).network,
            loss_weights=class_weights(self.settings.class_weights, counts),
            fresh=saved is None,
            on_progress=on_progress,
            should_stop=should_stop,
        )
        self.trainer, self.copied = self.prepared.trainer, self.prepared.copied
        if saved is None:
            self.place.begin()
            self._clear()
            self.card = self._first_card()
            write_json(self.folder / SETTINGS_FILE, self.settings.to_dict())
        else:
            self._restore(*saved)
        self.store, self.normalise = fed(self.store, self.card)
        self.events = EventFiles(self.folder / EVENTS_FOLDER, epoch=self.state.epoch)
        self.preview_rows = choose_rows(self.store, self.validation_rows if len(self.validation_rows) else self.train_rows)
        drawn_by = {"balanced": patch_weights, "half": half_weights}.get(self.settings.sampling)
        self.draw = None if drawn_by is None else drawn_by(self._patch_counts())

    def go(self, on_progress, should_stop, should_pause, on_epoch, on_steps=None) -> TrainResult:
        """Train until the last epoch, the end of patience, or the wish to stop, and write the best model."""
        from core.training.running import Pulse

        settings, stopped = self.settings, False
        pulse = Pulse(
            epochs=settings.epochs,
            steps=self.steps,
            on_progress=on_progress,
            should_stop=should_stop,
            should_pause=should_pause,
            on_steps=on_steps,
        )
        if self.prepared.spread is not None:
            self.prepared.spread.refuse_other_epochs(self.state.epoch)
        while self.state.epoch < settings.epochs and not self._patience_is_over():
            try:
                line = self._epoch(pulse)
            except Cancelled:
                stopped = True
                break
            if on_epoch is not None:
                on_epoch(line)
        # Stopped in its first epoch, it has learned nothing that could be offered as a model.
        if self.state.best_epoch or not stopped:
            if not self.state.best_epoch:
                self.prepared.save(self.folder / WEIGHTS_FILE)
            self._save_card("stopped" if stopped else "finished")
            self._settle()
        if self.prepared.spread is not None:
            self.prepared.spread.leave_together()
        return TrainResult(self.folder, self.card, self.state.epoch, self.state.best_epoch, self._validation(), stopped)

    def _epoch(self, pulse) -> dict[str, Any]:
        """One pass: train, validate, keep. Raises Cancelled when stopped inside it."""
        from core.training.optimizers import learning_rate, plateau_patience

        settings, epoch, started = self.settings, self.state.epoch, time.monotonic()
        rate = learning_rate(settings, epoch, plateaus=self.state.plateaus)
        self.trainer.optimizer.learning_rate = rate
        order = epoch_rows(
            self.train_rows,
            batch_size=settings.batch_size,
            seed=settings.seed,
            epoch=epoch,
            steps=settings.steps_per_epoch,
            weights=self.draw,
        )
        pulse.epoch, pulse.waited_s = epoch, 0.0
        logs = self.prepared.fit(self.batches(order, epoch=epoch), pulse)
        if pulse.broken_at is not None:
            raise SettingsError(
                f"the loss became infinite or no number in step {pulse.broken_at} of epoch {epoch + 1}",
                expected="a finite loss",
                do=f"Lower the learning rate (now {rate:g}), or set clip_norm to 1; the best model so far is kept",
            )
        if pulse.stopped:
            raise Cancelled("stopped by the user")
        line = {"epoch": epoch + 1, **logs}
        with self.prepared.averaged():
            confusion, scores = self.validate(pulse.asked_to_stop if machines()[0] == 1 else None)
            line |= scores | {"learning_rate": rate}
            better = self._is_better(line[self.monitor])
            seconds = time.monotonic() - started - pulse.waited_s
            line |= {"best": better, "seconds": seconds, "patches_per_s": order.size / seconds}
            self.keep(line, confusion, better, plateau_patience(settings))
        self.remember()
        return line

    def batches(self, order: np.ndarray, *, epoch: int) -> Any:
        """The training batches of some rows (steps, batch), changed as the settings say."""
        return training_batches(
            self.store,
            order,
            self.normalise,
            augmentation=self.settings.augmentation if self.settings.augment else None,
            seed=self.settings.seed,
            epoch=epoch,
            strategy=self.prepared.spread and self.prepared.spread.strategy,
        )

    def validate(self, should_stop: ShouldStop | None) -> tuple[Confusion | None, dict[str, Any]]:
        """Counts of the validation rows and their scores; None and nothing when there are no such rows."""
        from core.training.validation import validate

        if not len(self.validation_rows):
            return None, {}
        confusion, loss = validate(
            self.prepared.predictor,
            self.store,
            self.validation_rows,
            self.normalise,
            batch_size=self.settings.batch_size,
            loss=self.trainer.loss,
            should_stop=should_stop,
        )
        scores = confusion.summary(self.store.scheme)
        return confusion, {
            "val_loss": loss,
            "val_accuracy": scores["accuracy"],
            "val_mean_iou": scores["mean_iou"],
            "val_iou": {name: item["iou"] for name, item in scores["classes"].items()},
        }

    def _is_better(self, value: float) -> bool:
        if self.state.best_value is None or not np.isfinite(self.state.best_value):
            return True
        return value < self.state.best_value if self.monitor.endswith("loss") else value > self.state.best_value

    def keep(self, line: dict[str, Any], confusion: Confusion | None, better: bool, plateau_patience: int) -> None:
        """Write everything of a finished epoch but its state; see `remember`."""
        state, epoch = self.state, line["epoch"]
        since = 0 if better else state.since_best + 1
        self.state = replace(
            state,
            epoch=epoch,
            since_best=since,
            plateaus=state.plateaus + (since > 0 and since % plateau_patience == 0),
            seconds=state.seconds + line["seconds"],
            **({"best_epoch": epoch, "best_value": line[self.monitor]} if better else {}),
        )
        if better:
            self.prepared.save(self.folder / WEIGHTS_FILE)
            self.card = replace(self.card, metrics=self._metrics(confusion, line))
        self._save_card("running")
        self.events.add(line, self._preview(epoch))
        with open(self.folder / HISTORY_FILE, "a", encoding="utf-8") as file:
            file.write(dump_json(line) + "\n")

    def remember(self) -> None:
        """Write what a resumed run needs; it makes the epoch count, so it comes last. From then on the run is in its folder."""
        save_last(self.folder, self.state, self.settings.to_dict(), self.prepared.variables())
        self._settle()

    def _settle(self) -> None:
        if not self.place.settled:
            self.events.close()  # a folder with an open file cannot be renamed everywhere
            self.place.settle()
            self.folder = self.place.now
            self.events = EventFiles(self.folder / EVENTS_FOLDER, epoch=self.state.epoch)

    def _metrics(self, confusion: Confusion | None, line: dict[str, Any]) -> dict[str, Any]:
        if confusion is None:
            return {"train": {name: line[name] for name in ("loss", "accuracy", "mean_iou")}}
        return {"validation": confusion.summary(self.store.scheme)}

    def _validation(self) -> dict[str, Any]:
        scores = self.card.metrics.get("validation", {})
        return {name: scores.get(name) for name in ("mean_iou", "accuracy", "micro_iou", "classes")}

    def _patience_is_over(self) -> bool:
        return bool(self.settings.patience) and self.state.since_best >= self.settings.patience

    def predict_previews(self) -> np.ndarray:
        """Ids uint8 (n, h, w) that the network now gives for the patches that are drawn after each epoch."""
        from core.training.validation import predict_rows

        return predict_rows(self.prepared.predictor, self.store, self.preview_rows, self.normalise)

    def _preview(self, epoch: int) -> Path:
        ids = self.predict_previews()
        path = self.folder / PREVIEWS / f"epoch_{epoch:04d}.png"
        return save_preview(path, self.store.images[self.preview_rows], self.store.masks[self.preview_rows], ids, self.store.scheme)

    def _patch_counts(self) -> np.ndarray:
        size = len(self.store.scheme)
        return np.stack([np.bincount(self.store.masks[row].ravel(), minlength=256)[:size] for row in self.train_rows])

    def _sizes(self) -> dict[str, int]:
        _, height, width, bands = self.store.images.shape
        return {"height": height, "width": width, "bands": bands, "classes": len(self.store.scheme)}

    def _clear(self) -> None:
        # The state goes first: a run without it begins anew, whatever else is left of it.
        for name in (LAST_FILE, HISTORY_FILE, WEIGHTS_FILE, CARD_FILE):
            (self.folder / name).unlink(missing_ok=True)
        for name in (PREVIEWS, EVENTS_FOLDER):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _restore(self, state: RunState, settings: dict[str, Any]) -> None:
        changeable = {"epochs", "patience", "name"}
        mine = self.settings.to_dict()
        # An older run's file lacks the settings that came later; it ran with their defaults.
        theirs = TrainSettings.from_dict(settings).to_dict()
        differing = sorted(name for name in mine if name not in changeable and mine[name] != theirs[name])
        if differing:
            raise SettingsError(
                f"a run to be resumed with other settings ({', '.join(differing)})",
                expected="the settings it was started with; only epochs and patience may change",
                do="Start a new run, or resume with the old settings",
            )
        load_last(self.folder, self.prepared.variables())
        self.state, self.card = state, ModelCard.load(self.folder)
        path = self.folder / HISTORY_FILE
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        with replacing(path) as temporary:
            temporary.write_text("".join(lines[: state.epoch]), encoding="utf-8")
        write_json(self.folder / SETTINGS_FILE, mine)

    def _first_card(self) -> ModelCard:
        store, settings = self.store, self.settings
        notes = [] if len(self.validation_rows) else ["There was no validation part: the best epoch was chosen by the training loss."]
        if self.copied is not None:
            notes.append(f"Started from {self.copied.source}: {self.copied.layers} of {self.copied.of} layers were taken over.")
        return ModelCard(
            name=self.name,
            architecture=settings.architecture,
            encoder=self.encoder,
            scheme=store.scheme,
            bands=tuple(store.bands),
            dtype=str(store.dtype),
            normalisation=self._normalisation(),
            patch_size=int(store.patch_size),
            scale=float(store.scale),
            pixel_size_m=getattr(store, "pixel_size_m", None),
            network=self.network_options(),
            split=dict(store.split_info or {}),
            notes=tuple(notes),
        )

    def network_options(self) -> dict[str, Any]:
        """What a new network is built with besides its sizes, as the card keeps it."""
        if self.encoder in ZOO_ENCODERS:
            return {}
        name, (_, height, width, _) = self.settings.architecture, self.store.images.shape
        filters, rates = self.settings.filters or architecture(name).filters, fitted_rates(name, height=height, width=width)
        options: dict[str, Any] = {"dropout": self.settings.dropout}
        if self.encoder is None:
            options = {"filters": None if filters is None else list(filters), **options}
        return options if rates is None else {**options, "rates": list(rates)}

    def _normalisation(self) -> dict[str, Any]:
        if self.copied is not None and self.copied.normalisation is not None:
            return dict(self.copied.normalisation)
        statistics, eight_bit = self.store.statistics, str(self.store.dtype) == "uint8"
        if self.settings.normalisation != "auto":
            return read_normalisation(self.settings.normalisation, bands=len(self.store.bands), statistics=statistics)
        mean, std = ([float(value) for value in np.asarray(statistics[name])] for name in ("mean", "std"))
        if self.copied is not None and self.copied.published:
            known_as = published_encoder(self.settings.architecture, self.encoder)
            if eight_bit and len(mean) == 3:
                return published_normalisation(known_as)
            return fitted_normalisation(known_as, mean, std)
        if eight_bit:
            return read_normalisation("divide")
        return read_normalisation("standard", statistics=statistics)

    def _save_card(self, how: str) -> None:
        self.card = replace(
            self.card,
            training={
                "state": how,
                "epochs": self.state.epoch,
                "best_epoch": self.state.best_epoch,
                "monitor": self.monitor,
                "seconds": round(self.state.seconds, 1),
                "device": self.prepared.device,
                "patches": {"train": len(self.train_rows), "validation": len(self.validation_rows)},
                "settings": self.settings.to_dict(),
                # What a scene is compared with before it is predicted: mean and spread of each band.
                "statistics": {name: [float(value) for value in np.asarray(self.store.statistics[name])] for name in ("mean", "std")},
            },
        )
        self.card.save(self.folder)
