"""Groundline's library: scenes, data sets, networks, predictions, vectors and jobs. It never imports streamlit.

What a notebook needs is named here and loaded when it is first asked for, so that `import core` costs nothing:

    from core import find_model, open_scene, predict, vectorize

The names avoid those of the rooms (`core.audit` is a folder, so its function is `audit_dataset` here).
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "ClassScheme": "core.classes:ClassScheme",
    "Window": "core.scenes.scene:Window",
    "Scene": "core.scenes.scene:Scene",
    "open_scene": "core.scenes.opening:open_scene",
    "open_dataset": "core.datasets.datasets:open_dataset",
    "audit_dataset": "core.audit.audit:audit",
    "prepare": "core.patches.prepare:prepare",
    "PatchStore": "core.patches.store:PatchStore",
    "TrainSettings": "core.training.settings:TrainSettings",
    "train": "core.training.training:train",
    "find_model": "core.model_store.models:find_model",
    "predict": "core.prediction.predict:predict",
    "Prediction": "core.prediction.folder.rasters:Prediction",
    "evaluate": "core.evaluation.evaluate:evaluate",
    "VectorSettings": "core.vector.settings:VectorSettings",
    "vectorize": "core.vector.vectorize:vectorize",
    "write_product": "core.vector.formats.export:write_product",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """The public function or type of that name, from where it lives. Raises AttributeError for any other name."""
    if name not in _HOMES:
        raise AttributeError(f"module 'core' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    value = globals()[name] = getattr(import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
