"""Too little memory is seen wherever it stands in a chain of errors."""

import pytest
import torch
from torch._dynamo.exc import BackendCompilerFailed

from suite.core.memory import out_of_memory


def caught(how: str) -> BaseException:
    """Return an error that came up while another one was handled."""
    try:
        try:
            raise torch.OutOfMemoryError("CUDA out of memory")
        except torch.OutOfMemoryError as inner:
            if how == "cause":
                raise RuntimeError("the compiler failed") from inner
            if how == "compiler":
                raise BackendCompilerFailed(print, inner, None) from None
            raise RuntimeError("the compiler failed")  # noqa: B904
    except RuntimeError as error:
        return error


@pytest.mark.parametrize("how", ["cause", "context", "compiler"])
def test_it_is_seen_inside_another_error(how: str) -> None:
    assert out_of_memory(caught(how))


def test_it_is_seen_by_itself_and_in_cudas_words() -> None:
    assert out_of_memory(torch.OutOfMemoryError("full"))
    assert out_of_memory(torch.AcceleratorError("CUDA error: out of memory"))


def test_nothing_else_is() -> None:
    assert not out_of_memory(None) and not out_of_memory(RuntimeError("CUDA error: misaligned address"))
    turning = RuntimeError("a circle")
    turning.__context__ = ValueError("a circle")
    turning.__context__.__context__ = turning
    assert not out_of_memory(turning)
