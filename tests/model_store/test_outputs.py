"""Which output is the answer and how it is a map, told by shapes alone: without Keras."""

import pytest

from core.model_store.outputs import Choice, Form, Head, chosen_output, form_of
from core.model_store.shapes import shape_given


@pytest.mark.parametrize(
    ("shape", "form"),
    [
        ((64, 96, 3), Form(3, 1, "map")),
        ((16, 24, 3), Form(3, 4, "map")),
        ((3, 64, 96), Form(3, 1, "classes first")),
        ((3, 32, 48), Form(3, 2, "classes first")),
        ((6144, 3), Form(3, 1, "list")),
        ((1536, 3), Form(3, 2, "list")),
        ((3, 6144), Form(3, 1, "list, classes first")),
        ((64, 96), Form(1, 1, "no classes")),
        ((96, 64, 3), None),  # turned
        ((62, 94, 3), None),  # without its rim
        ((128, 192, 3), None),  # larger than the image
        ((16, 48, 3), None),  # another part of each side
        ((18432,), None),  # all values in one row
        ((3,), None),  # a classifier
        ((64, None, 3), None),
        ((4, 64, 96, 3), None),
    ],
)
def test_a_form_follows_from_the_shape(shape, form):
    assert form_of(shape, 64, 96) == form


def heads(*shapes):
    return [Head(f"out_{number}", shape, activation) for number, (shape, activation) in enumerate(shapes, 1)]


SEG, EDGE, LOGITS = ((64, 64, 5), "softmax"), ((64, 64, 1), "sigmoid"), ((64, 64, 5), "linear")


@pytest.mark.parametrize(
    ("outputs", "number", "sure"),
    [
        ([EDGE] * 4, 3, True),  # deep supervision
        ([SEG] * 2, 1, True),
        ([SEG, ((32, 32, 5), "softmax"), ((16, 16, 5), "softmax")], 0, True),  # one at full resolution
        ([SEG, EDGE], 0, True),  # one of several classes
        ([EDGE, SEG, ((3,), "softmax")], 1, True),
        ([EDGE, EDGE, ((3,), "softmax")], 1, True),  # a classifier beside deep supervision
        ([((4096, 5), "softmax"), EDGE], 0, True),
        ([SEG, LOGITS], 1, False),  # of two kinds
        ([SEG, ((64, 64, 3), "softmax")], 1, False),
        ([EDGE, ((64, 64, 1), "linear")], 1, False),  # a mask and a distance
        ([((3,), "softmax"), ((4,), "softmax")], 1, False),  # no map
        ([SEG, ((64, None, 5), "softmax")], 1, False),  # not known
        ([((None, None, 5), "softmax")] * 2, 1, False),
    ],
)
def test_the_answer_is_clear_or_asked_for(outputs, number, sure):
    choice = chosen_output(heads(*outputs), 64, 64)
    assert (choice.number, choice.sure) == (number, sure)


def test_one_output_needs_no_choice():
    assert chosen_output(heads(SEG), 64, 64) == Choice(0, "the only output")


@pytest.mark.parametrize(
    ("kind", "config", "before", "given"),
    [
        ("Conv2D", {"filters": 8, "kernel_size": [3, 3], "strides": [2, 2], "padding": "same"}, [(65, 96, 3)], (33, 48, 8)),
        ("Conv2D", {"filters": 8, "kernel_size": [3, 3], "dilation_rate": [2, 2], "padding": "valid"}, [(64, 96, 3)], (60, 92, 8)),
        ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2, "padding": "same"}, [(64, 96, 3)], (64, 96, 6)),
        ("MaxPooling2D", {"pool_size": [2, 2], "strides": None, "padding": "valid"}, [(65, 96, 3)], (32, 48, 3)),
        ("Conv2DTranspose", {"filters": 4, "kernel_size": 4, "strides": [2, 2], "padding": "same"}, [(32, 48, 8)], (64, 96, 4)),
        ("Conv2DTranspose", {"filters": 4, "kernel_size": 4, "strides": [2, 2], "padding": "valid"}, [(32, 48, 8)], (66, 98, 4)),
        ("UpSampling2D", {"size": [2, 3]}, [(32, 32, 8)], (64, 96, 8)),
        ("Cropping2D", {"cropping": [[1, 2], [3, 4]]}, [(64, 96, 8)], (61, 89, 8)),
        ("ZeroPadding2D", {"padding": 2}, [(64, 96, 8)], (68, 100, 8)),
        ("Reshape", {"target_shape": [-1, 3]}, [(64, 96, 3)], (6144, 3)),
        ("Permute", {"dims": [3, 1, 2]}, [(64, 96, 3)], (3, 64, 96)),
        ("Flatten", {}, [(4, 6, 3)], (72,)),
        ("GlobalAveragePooling2D", {"keepdims": True}, [(64, 96, 8)], (1, 1, 8)),
        ("Multiply", {}, [(64, 96, 1), (64, 96, 5)], (64, 96, 5)),  # a gate
        ("Concatenate", {"axis": 3}, [(64, 96, 1), (64, 96, 2)], (64, 96, 3)),
        ("Concatenate", {"axis": 1}, [(64, 96, 1), (64, 96, 1)], (None, None, None)),
        ("SomethingElse", {}, [(64, 96, 8)], (None, None, 8)),
    ],
)
def test_what_a_layer_gives(kind, config, before, given):
    assert shape_given(kind, config, before) == given
