"""Formation DM: DM of the decoded images at a rate for each, whatever their number; and an average."""

from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

from suite.core.spec import Budget
from tests.support.small_data import few_digits

FORMATION, DM = (import_module(f"suite.plugins.methods.{name}").METHOD for name in ("formation_dm", "dm"))
QUICK: dict[str, Any] = {"steps": 9, "real_batch": 4, "network": "convnet-d1-w4-in"}


def started(ipc: int = 1, real: int = 12, **changes: Any) -> Any:
    found = FORMATION(**{**QUICK, "factor": 2, **changes})
    return found.start(few_digits(real), Budget(ipc), seed=0)


def stepped(run: Any, steps: int) -> Tensor:
    for _ in range(steps):
        run.step()
    found: Tensor = run.synthetic().images
    return found


def test_whole_images_without_an_average_are_learned_as_by_dm() -> None:
    ours = started(ipc=2, factor=1, averaging=0.0, image_lr=0.5)
    theirs = DM(**QUICK, image_lr=1.0).start(few_digits(12), Budget(2), seed=0)
    assert torch.allclose(stepped(ours, 3), stepped(theirs, 3), atol=1e-6)


def test_how_far_an_image_moves_does_not_depend_on_their_number() -> None:
    one, three = (started(ipc=ipc, factor=1, averaging=0.0) for ipc in (1, 3))
    with torch.no_grad():
        three.pixels.copy_(one.pixels)  # of each class three times the same image
    before = one.pixels.detach().clone()
    alone, among = stepped(one, 1), stepped(three, 1)
    assert not torch.allclose(alone, before, atol=1e-3)
    assert torch.allclose(alone.expand_as(among), among, atol=1e-5)


@pytest.mark.parametrize("averaging", [0.2, 0.99])
def test_the_set_is_the_average_of_the_pixels_which_soon_forgets_the_start(averaging: float) -> None:
    run = started(averaging=averaging)
    expected = run.pixels.detach().clone()
    for step in range(6):
        run.step()
        kept = min(averaging, step / (step + 10))
        expected = kept * expected + (1 - kept) * run.pixels.detach()
    code = run.synthetic().parametrisation
    assert torch.allclose(code.formations, expected, atol=1e-6)
    assert not torch.allclose(code.formations, run.pixels.detach(), atol=1e-3)


def test_a_stored_image_decodes_to_its_small_ones() -> None:
    found = started(ipc=2, real=40, factor=4).synthetic()
    assert found.images.shape[:2] == (10, 32) and found.parametrisation.formations.shape[:2] == (10, 2)


def test_a_wrong_average_is_refused() -> None:
    for wrong in (-0.1, 1.0):
        with pytest.raises(ValueError, match="averaging"):
            FORMATION(averaging=wrong)
