"""Numbers drawn on the host, sent to a device in one copy for which the host does not wait."""

from collections.abc import Sequence

import torch
from torch import Tensor


def send(values: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Return host tensors on `device`; all tensors of one type travel in one copy.

    A GPU copies from pinned memory while the host goes on.
    """
    if device.type == "cpu":
        return list(values)
    sent = dict[int, Tensor]()
    for dtype in dict.fromkeys(value.dtype for value in values):
        places = [place for place, value in enumerate(values) if value.dtype == dtype]
        flat = torch.cat([values[place].flatten() for place in places])
        if device.type == "cuda":
            flat = flat.pin_memory()
        parts = flat.to(device, non_blocking=True).split([values[place].numel() for place in places])
        sent |= {place: part.view(values[place].shape) for place, part in zip(places, parts, strict=True)}
    return [sent[place] for place in range(len(values))]
