"""The precision of matrix products and convolutions; sums, states and updates stay float32."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import torch

Precision = Literal["float32", "tf32", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_AMPERE = (8, 0)  # the first compute capability with TF32 and bfloat16 products


def check_precision(precision: Precision, device: torch.device) -> None:
    """Raise ValueError where `device` does not support `precision`."""
    if precision == "float32":
        return
    if device.type == "cuda":
        if torch.cuda.get_device_capability(device) < _AMPERE:
            raise ValueError(f"precision {precision} needs a GPU of compute capability 8.0; use float32")
    elif precision == "tf32":
        raise ValueError("precision tf32 needs a GPU; use float32 on a CPU")
    elif not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        raise ValueError("precision bf16 needs a CPU with AVX-512 or bf16 instructions; use float32")


def product_dtype(precision: Precision) -> torch.dtype | None:
    """Return the type to which operands are rounded before a product; None for no rounding."""
    return torch.bfloat16 if precision == "bf16" else None


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
