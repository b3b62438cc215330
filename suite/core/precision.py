"""The precision of matrix products and convolutions; sums, states and updates stay float32."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch

Precision = Literal["float32", "tf32", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_BACKENDS: Any = torch.backends
_PLACES = (  # where torch keeps the precision of float32 products, the general before the particular
    _BACKENDS,
    _BACKENDS.cudnn,
    _BACKENDS.mkldnn,
    _BACKENDS.cuda.matmul,
    _BACKENDS.cudnn.conv,
    _BACKENDS.cudnn.rnn,
    _BACKENDS.mkldnn.matmul,
    _BACKENDS.mkldnn.conv,
    _BACKENDS.mkldnn.rnn,
)

_AMPERE = (8, 0)  # the first compute capability with TF32 and bfloat16 products


def check_precision(precision: Precision, device: torch.device) -> None:
    """Raise ValueError where `device` does not support `precision`."""
    if precision == "float32":
        return
    if device.type == "cuda":
        if (own := torch.cuda.get_device_capability(device)) < _AMPERE:
            raise ValueError(
                f"precision {precision} needs a GPU of compute capability 8.0, and this one has "
                f"{own[0]}.{own[1]}; use float32"
            )
    elif precision == "tf32":
        raise ValueError("precision tf32 needs a GPU; use float32 on a CPU")
    elif not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        raise ValueError("precision bf16 needs a CPU with AVX-512 or bf16 instructions; use float32")


@contextmanager
def declared_products() -> Iterator[None]:
    """Let products round only where a method or a recipe declares it; restore the previous settings.

    An environment variable, a notebook or an earlier job may have chosen another precision, or the fastest of
    cuDNN's convolutions, which differ in their last bits.
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    words = [place.fp32_precision for place in _PLACES]
    products, convolutions = _read(torch.get_float32_matmul_precision), _read(lambda: cudnn.allow_tf32)
    flags = matmul.allow_bf16_reduced_precision_reduction, cudnn.benchmark, cudnn.deterministic
    for place in _PLACES:
        place.fp32_precision = "none"
    # The older switches must agree with the new ones, else reading them raises.
    torch.set_float32_matmul_precision("highest")
    cudnn.allow_tf32, cudnn.benchmark = False, False
    cudnn.deterministic = torch.are_deterministic_algorithms_enabled()
    matmul.allow_bf16_reduced_precision_reduction = True
    try:
        yield
    finally:
        matmul.allow_bf16_reduced_precision_reduction, cudnn.benchmark, cudnn.deterministic = flags
        if products is not None:
            torch.set_float32_matmul_precision(products)
        if convolutions is not None:
            cudnn.allow_tf32 = convolutions
        for place, word in zip(_PLACES, words, strict=True):
            if place.fp32_precision != word:
                place.fp32_precision = word


def products() -> tuple[Any, ...]:
    """Return all settings of this process by which products round, in some order."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    words = tuple(place.fp32_precision for place in _PLACES)
    older = _read(torch.get_float32_matmul_precision), _read(lambda: matmul.allow_tf32)
    reductions = matmul.allow_bf16_reduced_precision_reduction, matmul.allow_fp16_reduced_precision_reduction
    return words, older, _read(lambda: cudnn.allow_tf32), reductions


def _read(switch: Callable[[], Any]) -> Any:
    """Return an older switch's value; None if a newer one was set to another value, which makes it raise."""
    try:
        return switch()
    except RuntimeError:
        return None


@contextmanager
def multiplying(precision: Precision) -> Iterator[None]:
    """Set whether CUDA's float32 products round to TF32; restore the previous setting."""
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before
