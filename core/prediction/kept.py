"""What a worker of a cluster keeps from one task to the next, and how it learns that nobody waits for its work."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from core.model_store.models import Model
from core.prediction.engines.engine import Engine, open_engine
from core.prediction.settings import PatchSize
from core.progress import ShouldStop

LOOK_S = 1.0
"""How often a worker looks at the shared disk beside its work."""


def given_up(folder: Path) -> ShouldStop:
    """Whether the folder that results go to is gone, looked at once in a while: nobody waits for them any more."""
    looked = [time.monotonic(), False]

    def should_stop() -> bool:
        if time.monotonic() - looked[0] > LOOK_S:
            looked[:] = time.monotonic(), not folder.exists()
        return bool(looked[1])

    return should_stop


_kept = threading.local()


def kept_engine(model: Model, engine: str, patch_size: PatchSize | None) -> Engine:
    """A worker's engine, opened once in each of its threads for as long as the same one is asked for."""
    key = (str(model.file), model.card.to_dict(), engine, patch_size)
    if getattr(_kept, "key", None) != key:
        _kept.engine, _kept.key = open_engine(model, engine=engine, patch_size=patch_size, threads=1), key
    return _kept.engine
