"""Precisions: which device has them, and that a setting does not outlive its use."""

import pytest
import torch

from suite.core.precision import check_precision, multiplying, product_dtype

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_float32_runs_everywhere() -> None:
    check_precision("float32", CPU)
    check_precision("float32", GPU)


def test_tf32_needs_a_gpu() -> None:
    with pytest.raises(ValueError, match="precision tf32 needs a GPU; use float32 on a CPU"):
        check_precision("tf32", CPU)


@pytest.mark.parametrize(("capability", "accepted"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_a_gpu_needs_capability_8(
    precision: str, capability: tuple[int, int], accepted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    if accepted:
        check_precision(precision, GPU)  # type: ignore[arg-type]
    else:
        with pytest.raises(ValueError, match=f"precision {precision} needs a GPU of compute capability 8.0"):
            check_precision(precision, GPU)  # type: ignore[arg-type]


def test_operands_are_rounded_in_bf16_alone() -> None:
    assert product_dtype("bf16") is torch.bfloat16
    assert product_dtype("float32") is None and product_dtype("tf32") is None


def settings() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def test_a_setting_ends_with_its_block() -> None:
    before = settings()
    with multiplying("tf32"):
        assert settings() == (True, True)
        with multiplying("float32"):
            assert settings() == (False, False)
        assert settings() == (True, True)
    assert settings() == before
    with pytest.raises(ZeroDivisionError), multiplying("tf32"):
        raise ZeroDivisionError
    assert settings() == before
