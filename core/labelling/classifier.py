"""The classifier that strokes teach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Fitted:
    """What `fit` learnt."""

    forest: Any
    classes: int

    def probabilities(self, values: np.ndarray) -> np.ndarray:
        """float32 (..., classes) of features (..., F)."""
        flat = self.forest.predict_proba(values.reshape(-1, values.shape[-1]).astype(np.float32)).astype(np.float32)
        full = np.zeros((len(flat), self.classes), np.float32)
        full[:, self.forest.classes_] = flat
        return full.reshape(*values.shape[:-1], self.classes)


def fit(values: np.ndarray, ids: np.ndarray, *, classes: int, seed: int = 0) -> Fitted:
    """Learn from features (n, F) of painted pixels and the place (n,) of their classes."""
    from sklearn.ensemble import ExtraTreesClassifier

    forest = ExtraTreesClassifier(20, min_samples_leaf=2, class_weight="balanced", n_jobs=2, random_state=seed)
    return Fitted(forest.fit(values.astype(np.float32), ids), classes)
