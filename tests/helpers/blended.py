"""What blending has to give, for a scene that fits into memory at once."""

import numpy as np

from core.scenes.scene import Window


def reference(image, network, plan, classes=2):
    """The whole scene in float64: pad by reflection, weigh, sum, divide."""
    sides = plan.patch_height, plan.patch_width
    height, width = image.shape[:2]
    before = (-plan.row_starts[0], -plan.col_starts[0])
    after = (plan.row_starts[-1] + sides[0] - height, plan.col_starts[-1] + sides[1] - width)
    mode = [("reflect" if n > 1 else "edge") for n in (height, width)]
    padded = np.pad(image, ((before[0], after[0]), (0, 0), (0, 0)), mode=mode[0])
    padded = np.pad(padded, ((0, 0), (before[1], after[1]), (0, 0)), mode=mode[1])
    down, across = (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(size) + 0.5) / size) for size in sides)
    weight = (down[:, None] * across[None])[..., None]
    turns = (range(4) if sides[0] == sides[1] else (0, 2)) if plan.symmetries == 8 else (0,)
    total, weights = np.zeros((*padded.shape[:2], classes)), np.zeros((*padded.shape[:2], 1))
    for row in plan.row_starts:
        for col in plan.col_starts:
            place = Window(row + before[0], col + before[1], *sides).slices
            patch = np.ascontiguousarray(padded[place])
            answers = []
            for flip in (False, True) if plan.symmetries == 8 else (False,):
                for k in turns:
                    turned = np.rot90(patch[:, ::-1] if flip else patch, k)
                    back = np.rot90(network(turned[None])[0], -k)
                    answers.append(back[:, ::-1] if flip else back)
            total[place] += weight * np.mean(answers, axis=0, dtype=np.float64)
            weights[place] += weight
    return (total / weights)[before[0] : before[0] + height, before[1] : before[1] + width]
