"""How many weights each network on an encoder has, so that a file of weights alone tells which one it belongs to; imports no Keras."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple


class Size(NamedTuple):
    """Arrays of weights, and their values: `fixed` ones, those that there are once for each band, and once for each class."""

    arrays: int
    fixed: int
    per_band: int
    per_class: int

    def values(self, bands: int, classes: int) -> int:
        """All values of the network for so many bands and classes."""
        return self.fixed + self.per_band * bands + self.per_class * classes


@cache
def sizes() -> Mapping[tuple[str, str | None], Size]:
    """The size of each network by (architecture, encoder); `core.model_store.bare_weights.size_of` counts them."""
    found = {}
    for line in _TABLE.strip().splitlines():
        name, encoder, *numbers = line.split()
        found[name, None if encoder == "-" else encoder] = Size(*map(int, numbers))
    return found


_TABLE = """
unet resnet18 148 14331008 3139 145
unet resnet34 228 24446592 3139 145
unet resnet50 308 32551552 3139 145
unet resnet101 563 51595904 3139 145
unet resnet152 818 67285632 3139 145
unet vgg16 88 23750400 576 145
unet vgg19 94 29060096 576 145
unet mobilenet 187 8335328 288 145
unet mobilenetv2 312 8046432 288 145
unet efficientnetb0 361 10114492 288 145
unet efficientnetb1 489 12640160 288 145
unet efficientnetb2 489 14294290 288 145
unet efficientnetb3 546 17866608 360 145
unet efficientnetb4 660 25733576 432 145
unet efficientnetb5 788 37467232 432 145
unet efficientnetb6 902 50904352 504 145
unet efficientnetb7 1087 75046224 576 145
unet seresnet18 180 14420088 3139 145
unet seresnet34 292 24607788 3139 145
unet seresnet50 381 35097648 3136 145
unet seresnet101 704 56388720 3136 145
unet seresnet152 1027 73929776 3136 145
unet resnext50 816 32053632 3139 145
unet resnext101 1598 51272064 3139 145
unet seresnext50 877 34584624 3136 145
unet seresnext101 1727 56049776 3136 145
unet senet154 4187 122319152 576 145
unet inceptionv3 428 29932096 288 145
unet inceptionresnetv2 948 62060544 288 145
fpn resnet18 153 13804800 3139 1153
fpn resnet34 233 23920384 3139 1153
fpn resnet50 313 26901248 3139 1153
fpn resnet101 568 45945600 3139 1153
fpn resnet152 823 61635328 3139 1153
fpn vgg16 83 17569664 576 1153
fpn vgg19 89 22879360 576 1153
fpn mobilenet 192 6101088 288 1153
fpn mobilenetv2 317 5208032 288 1153
fpn efficientnetb0 366 7036476 288 1153
fpn efficientnetb1 494 9562144 288 1153
fpn efficientnetb2 494 10812818 288 1153
fpn efficientnetb3 551 13909488 360 1153
fpn efficientnetb4 665 20914248 432 1153
fpn efficientnetb5 793 31868640 432 1153
fpn efficientnetb6 907 44442016 504 1153
fpn efficientnetb7 1092 67706320 576 1153
fpn seresnet18 185 13893880 3139 1153
fpn seresnet34 297 24081580 3139 1153
fpn seresnet50 386 29447344 3136 1153
fpn seresnet101 709 50738416 3136 1153
fpn seresnet152 1032 68279472 3136 1153
fpn resnext50 821 26403328 3139 1153
fpn resnext101 1603 45621760 3139 1153
fpn seresnext50 882 28934320 3136 1153
fpn seresnext101 1732 50399472 3136 1153
fpn senet154 4192 116666800 576 1153
fpn inceptionv3 433 25027264 288 1153
fpn inceptionresnetv2 953 57520256 288 1153
linknet resnet18 173 11512128 3139 145
linknet resnet34 253 21627712 3139 145
linknet resnet50 333 28773824 3139 145
linknet resnet101 588 47818176 3139 145
linknet resnet152 843 63507904 3139 145
linknet vgg16 113 20323264 576 145
linknet vgg19 119 25632960 576 145
linknet mobilenet 212 4545056 288 145
linknet mobilenetv2 337 4143568 288 145
linknet efficientnetb0 386 6095324 288 145
linknet efficientnetb1 514 8620992 288 145
linknet efficientnetb2 514 10221234 288 145
linknet efficientnetb3 571 13759760 360 145
linknet efficientnetb4 685 21716776 432 145
linknet efficientnetb5 813 33699008 432 145
linknet efficientnetb6 927 47546160 504 145
linknet efficientnetb7 1112 72262544 576 145
linknet seresnet18 205 11601208 3139 145
linknet seresnet34 317 21788908 3139 145
linknet seresnet50 406 31319920 3136 145
linknet seresnet101 729 52610992 3136 145
linknet seresnet152 1052 70152048 3136 145
linknet resnext50 841 28275904 3139 145
linknet resnext101 1623 47494336 3139 145
linknet seresnext50 902 30806896 3136 145
linknet seresnext101 1752 52272048 3136 145
"""
