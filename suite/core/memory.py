"""Too little memory on a device, also inside errors of a compiler."""

import torch


def out_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or one that led to it, is that a device has too little memory."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        # CUDA's own errors, such as those of graphs, are not of torch's class.
        if isinstance(error, torch.OutOfMemoryError) or "CUDA error: out of memory" in _said(error):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # of an error whose text is a mistake, too
        return ""
