"""Between a project's classes, which are renamed, merged and moved, and an answer's, which begin with those of its model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.classes import IGNORED_ID, ClassScheme
from core.labelling.projects.painting import Painting
from core.labelling.strokes import Stroke


@dataclass(frozen=True)
class Places:
    """Which class of a project (`ids`) each place of an answer's probabilities stands for: those of the model first, in its order.

    `present` are the project's classes in their order. Classes that were merged share their sum; one that was taken off the list shares
    nothing.
    """

    ids: tuple[int, ...]
    present: tuple[int, ...]

    @classmethod
    def of(cls, labels: Painting, of_model: tuple[int, ...]) -> Places:
        """The places of a project's classes as they are now."""
        present = tuple(one.id for one in labels.classes)
        first = [labels.class_of(one) for one in of_model]
        return cls((*first, *(one for one in present if one not in first)), present)

    @property
    def scheme(self) -> ClassScheme:
        """A name for each place."""
        return ClassScheme.unnamed(len(self.ids))

    def strokes(self, labels: Painting) -> list[Stroke]:
        """What was painted, by the places' names."""
        return labels.strokes({one: self.scheme.names[self.ids.index(one)] for one in self.present})

    def summed(self, probabilities: np.ndarray) -> np.ndarray:
        """Probabilities float32 (h, w, classes of the project) of those by place (h, w, places or fewer); 0 where there are none."""
        told = self.ids[: probabilities.shape[-1]]  # a model's own are of its classes alone
        sums = np.stack([probabilities[..., [k for k, one in enumerate(told) if one == mine]].sum(-1) for mine in self.present], axis=-1)
        return sums / np.maximum(sums.sum(axis=-1, keepdims=True), 1e-6)

    def codes(self, probabilities: np.ndarray) -> np.ndarray:
        """Class id and confidence uint8 (h, w, 2) of probabilities by place (h, w, places or fewer); 255 and 0 where there are none."""
        sums = self.summed(probabilities)
        best, known = sums.argmax(axis=-1), sums.any(axis=-1)
        ids = np.where(known, np.array(self.present, np.uint8)[best], np.uint8(IGNORED_ID))
        return np.stack([ids, np.where(known, np.rint(255 * sums.max(axis=-1)), 0).astype(np.uint8)], axis=-1)
