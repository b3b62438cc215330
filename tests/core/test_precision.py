"""Precisions: which device has them, and that a setting does not outlive its use."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

from suite.core.precision import check_precision, declared_products, multiplying

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
        refusal = rf"precision {precision} needs a GPU of compute capability 8\.0, and this one has 7\.5; use"
        with pytest.raises(ValueError, match=refusal):
            check_precision(precision, GPU)  # type: ignore[arg-type]


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


BACKENDS: Any = torch.backends
PLACES = ("", "cudnn", "mkldnn", "cuda.matmul", "cudnn.conv", "cudnn.rnn", "mkldnn.matmul", "mkldnn.conv")


def place(name: str) -> Any:
    found = BACKENDS
    for part in filter(None, name.split(".")):
        found = getattr(found, part)
    return found


def switches() -> dict[str, Any]:
    """Return every switch of products; the older ones may not be read while they differ from the newer."""
    words = {name: place(name).fp32_precision for name in PLACES}
    flags = {name: getattr(BACKENDS.cudnn, name) for name in ("benchmark", "deterministic")}
    return words | flags | {"bf16": BACKENDS.cuda.matmul.allow_bf16_reduced_precision_reduction}


def choose(name: str, word: str) -> Callable[[], None]:
    return lambda: setattr(place(name), "fp32_precision", word)


@pytest.mark.parametrize(
    "chosen",
    [
        lambda: None,
        lambda: torch.set_float32_matmul_precision("medium"),
        lambda: setattr(BACKENDS.cuda.matmul, "allow_tf32", True),
        lambda: setattr(BACKENDS.cudnn, "allow_tf32", True),
        *(choose(name, "tf32") for name in ("", "cudnn", "cuda.matmul", "cudnn.conv")),
        *(choose(name, "bf16") for name in ("", "mkldnn", "mkldnn.matmul", "mkldnn.conv")),
        lambda: setattr(BACKENDS.cudnn, "benchmark", True),
        lambda: setattr(BACKENDS.cudnn, "deterministic", True),
        lambda: setattr(BACKENDS.cuda.matmul, "allow_bf16_reduced_precision_reduction", False),
    ],
)
def test_what_a_process_chose_does_not_count_and_is_restored(chosen: Callable[[], object]) -> None:
    with declared_products():  # restores what the test chooses
        declared = switches()
        assert set(list(declared.values())[: len(PLACES)]) <= {"none", "ieee"}
        assert not declared["benchmark"] and not declared["deterministic"] and declared["bf16"]
        chosen()
        before = switches()
        with declared_products():
            assert switches() == declared and settings() == (False, False)
            assert torch.get_float32_matmul_precision() == "highest"
            with multiplying("tf32"):
                assert settings() == (True, True)
            assert settings() == (False, False)
        assert switches() == before


def test_cudnn_is_as_deterministic_as_the_process() -> None:
    torch.use_deterministic_algorithms(True)
    try:
        with declared_products():
            assert torch.backends.cudnn.deterministic
    finally:
        torch.use_deterministic_algorithms(False)


def test_the_environment_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import torch; from suite.core.precision import declared_products\n"
        "chosen = torch.get_float32_matmul_precision()\n"
        "with declared_products(): print(chosen, torch.get_float32_matmul_precision())"
    )
    monkeypatch.setenv("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "1")
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["high", "highest"]
