"""The field's architectures as lists of layers.

ConvNet, AlexNet, VGG-11 and ResNet-18 follow the code of DC (arXiv 2006.05929), DSA (2102.08259) and
MTT (2203.11932); comments name the differences. The last layer is always the linear classifier. Each raises
ValueError for images too small for its depth.
"""

from collections.abc import Sequence

import torch

from suite.core.networks.layers import (
    AVG_POOL,
    FLATTEN,
    GLOBAL_AVG_POOL,
    RELU,
    SUBSAMPLE,
    Layer,
    Lowering,
    add,
    chain,
    convolution,
    dense,
    max_pool,
    norm,
)

Shape = tuple[int, int, int]
Block = Sequence[tuple[int, int]]
"""Convolutions before a pooling that halves: kernel size and output channels of each."""

_CENTRED = ("in", "bn")  # norms that subtract a channel's mean


def convnet(lowering: Lowering, shape: Shape, classes: int, depth: str, width: str, norm: str) -> list[Layer]:
    """Return `depth` blocks of one convolution of `width` channels, with norm, and average pooling."""
    return _blocks(shape, classes, [[(3, int(width))]] * int(depth), norm, lowering, AVG_POOL)


def alexnet(lowering: Lowering, shape: Shape, classes: int, width: str, norm: str) -> list[Layer]:
    """Return AlexNet for small images; `width` is that of the first layer.

    The field's code has width 128 and no norm. Raises ValueError for an odd width.
    """
    if int(width) % 2:
        raise ValueError(f"width {width} must be even, since some layers of AlexNet have 3/2 of it")
    one, middle, most = int(width), int(width) * 3 // 2, int(width) * 2
    blocks = [[(5, one)], [(5, middle)], [(3, most), (3, middle), (3, middle)]]
    return _blocks(shape, classes, blocks, norm, lowering, max_pool(lowering))


def vgg11(lowering: Lowering, shape: Shape, classes: int, width: str, norm: str) -> list[Layer]:
    """Return VGG-11 with a single linear layer; `width` is that of the first block, 64 in the paper."""
    one, two, four, eight = ((3, int(width) * times) for times in (1, 2, 4, 8))
    blocks = [[one], [two], [four, four], [eight, eight], [eight, eight]]
    return _blocks(shape, classes, blocks, norm, lowering, max_pool(lowering))


def resnet18(lowering: Lowering, shape: Shape, classes: int, width: str, norm: str) -> list[Layer]:
    """Return ResNet-18 with a 3x3 stem; `width` is that of the first stage, 64 in the paper.

    Raises ValueError for images of at most 8x8 pixels with instance norm.
    """
    channels, height, side = shape
    if norm == "in" and max(height, side) <= 8:
        # Instance norm of one pixel gives a constant, so logits would not depend on the images.
        raise ValueError(
            f"{height}x{side} images are too small for ResNet-18 with instance norm, which would see"
            f" one pixel in the last stage; use images of 9x9 or 'resnet18-w{width}-ln'"
        )
    stem = [_normed(channels, int(width), norm, lowering), RELU]
    return _resnet18(stem, classes, int(width), norm, lowering)


def resnet18stem7(lowering: Lowering, shape: Shape, classes: int, width: str, norm: str) -> list[Layer]:
    """Return ResNet-18 as it is for ImageNet (arXiv 1512.03385): a 7x7 stem, and pooling, quarter the image.

    Raises ValueError for images of at most 32x32 pixels with instance norm.
    """
    channels, height, side = shape
    if norm == "in" and max(height, side) <= 32:
        raise ValueError(
            f"{height}x{side} images are too small for this stem with instance norm, which would see"
            f" one pixel in the last stage; use images of 33x33 or 'resnet18-w{width}-in'"
        )
    first = _normed(channels, int(width), norm, lowering, kernel=7, stride=2)
    return _resnet18(
        [first, RELU, max_pool(lowering, kernel=3, padding=1)], classes, int(width), norm, lowering
    )


def _resnet18(stem: list[Layer], classes: int, width: int, norm: str, lowering: Lowering) -> list[Layer]:
    layers, channels = [*stem], width
    for times, stride in ((1, 1), (1, 1), (2, 2), (2, 1), (4, 2), (4, 1), (8, 2), (8, 1)):
        layers.append(_residual(channels, width * times, stride, norm, lowering))
        channels = width * times
    # The field's code averages 4x4 pixels, the whole map of a 32x32 image; here the whole map is averaged.
    return [*layers, GLOBAL_AVG_POOL, dense(channels, classes, lowering)]


def mlp(lowering: Lowering, shape: Shape, classes: int, width: str) -> list[Layer]:
    """Return the perceptron with two hidden layers."""
    inputs, hidden = torch.Size(shape).numel(), int(width)
    return [
        FLATTEN,
        dense(inputs, hidden, lowering),
        RELU,
        dense(hidden, hidden, lowering),
        RELU,
        dense(hidden, classes, lowering),
    ]


def _blocks(
    shape: Shape, classes: int, blocks: Sequence[Block], kind: str, lowering: Lowering, halve: Layer
) -> list[Layer]:
    """Return the blocks, each ending with `halve`, and a classifier of the remaining pixels."""
    channels, height, side = shape
    # As in the field's code, the first convolution pads 28x28 digits to 32x32. That code pads all images of
    # one channel, and its AlexNet and VGG-11 read 32x32 images only.
    extra = 2 if shape == (1, 28, 28) else 0
    height, side = height + 2 * extra, side + 2 * extra
    if min(height, side) < (least := 2 ** len(blocks)):
        raise ValueError(
            f"{height}x{side} images are too small for {len(blocks)} blocks that halve them;"
            f" use a network with fewer, or images of at least {least}x{least}"
        )
    layers: list[Layer] = []
    for block in blocks:
        for number, (kernel, outputs) in enumerate(block, 1):
            # A norm that subtracts a channel's mean cancels the convolution's bias: its gradient is zero, and
            # Adam would turn rounding errors into steps. The field's code has such biases.
            padding, bias = kernel // 2 + extra, kind not in _CENTRED
            layers.append(
                convolution(channels, outputs, kernel=kernel, padding=padding, bias=bias, lowering=lowering)
            )
            end = [halve] if number == len(block) else []
            layers.append(chain(*norm(kind, outputs, lowering), RELU, *end))
            channels, extra = outputs, 0
        height, side = height // 2, side // 2
    return [*layers, FLATTEN, dense(channels * height * side, classes, lowering)]


def _residual(inputs: int, outputs: int, stride: int, kind: str, lowering: Lowering) -> Layer:
    """Return a basic block: two convolutions plus the identity, or a projection if shapes differ."""
    first = _normed(inputs, outputs, kind, lowering, stride=stride)
    branch = chain(first, RELU, _normed(outputs, outputs, kind, lowering))
    # Equal to a convolution with a stride, which oneDNN computes wrongly: a 1x1 filter with a stride, on
    # fewer than eight channels that lie channels-last, writes beyond its gradient's memory.
    shortcut = (
        chain() if stride == 1 else chain(SUBSAMPLE, _normed(inputs, outputs, kind, lowering, kernel=1))
    )
    return chain(add(branch, shortcut), RELU)


def _normed(
    inputs: int, outputs: int, kind: str, lowering: Lowering, *, kernel: int = 3, stride: int = 1
) -> Layer:
    # As in the field's code, the norm's shift is the only bias; without a norm the convolution has one.
    bias, padding = kind == "none", kernel // 2
    convolved = convolution(
        inputs, outputs, padding=padding, bias=bias, kernel=kernel, stride=stride, lowering=lowering
    )
    return chain(convolved, *norm(kind, outputs, lowering))
