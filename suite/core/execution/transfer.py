"""Numbers drawn on the host, sent to a device in one copy for which the host does not wait."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from itertools import islice
from typing import Any, TypeVar

import torch
from torch import Tensor

AHEAD = 64
"""Steps of a long training whose numbers are sent together."""

Nest = TypeVar("Nest")


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


def send_nested(nest: Nest, device: torch.device) -> Nest:
    """Return a nest of lists, tuples and dataclasses with its host tensors on `device`, sent by `send`."""
    return nest if device.type == "cpu" else _rebuilt(nest, iter(send(list(_tensors(nest)), device)))


def send_ahead(values: Iterable[Tensor], device: torch.device) -> Iterator[Tensor]:
    """Yield host tensors on `device`; `AHEAD` of them are drawn and sent together."""
    remaining = iter(values)
    while ahead := list(islice(remaining, AHEAD)):
        yield from send(ahead, device)


def _tensors(nest: Any) -> Iterator[Tensor]:
    if isinstance(nest, Tensor):
        yield nest
    for part in _parts(nest):
        yield from _tensors(part)


def _parts(nest: Any) -> list[Any]:
    if is_dataclass(nest):
        return [getattr(nest, field.name) for field in fields(nest)]
    return list(nest) if isinstance(nest, list | tuple) else []


def _rebuilt(nest: Any, sent: Iterator[Tensor]) -> Any:
    if isinstance(nest, Tensor):
        return next(sent)
    parts = [_rebuilt(part, sent) for part in _parts(nest)]
    if is_dataclass(nest) and not isinstance(nest, type):
        return replace(nest, **{field.name: part for field, part in zip(fields(nest), parts, strict=True)})
    return type(nest)(parts) if isinstance(nest, list | tuple) else nest
