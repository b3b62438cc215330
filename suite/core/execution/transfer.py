"""Numbers drawn on the host, sent to a device in one copy for which the host does not wait."""

from collections.abc import Sequence

import torch
from torch import Tensor


def send(values: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Return tensors on `device`; those of one type travel in one copy, those that are there stay.

    A GPU copies from pinned memory while the host goes on.
    """
    arrived = list(values)
    travelling = [place for place, value in enumerate(values) if value.device.type != device.type]
    for dtype in dict.fromkeys(values[place].dtype for place in travelling):
        places = [place for place in travelling if values[place].dtype == dtype]
        flat = torch.cat([values[place].flatten() for place in places])
        if device.type == "cuda":
            flat = flat.pin_memory()
        parts = flat.to(device, non_blocking=True).split([values[place].numel() for place in places])
        for place, part in zip(places, parts, strict=True):
            arrived[place] = part.view(values[place].shape)
    return arrived
