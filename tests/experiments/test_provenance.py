"""Where a record was made, and by which code."""

import platform
from importlib.metadata import version

import pytest
import torch

from suite.core.execution import compiling
from suite.core.precision import declared_products, multiplying
from suite.experiments.provenance import commit, provenance
from suite.experiments.resources import Resources


def test_a_record_names_its_device_threads_and_versions() -> None:
    found = provenance(Resources())
    assert found.device.startswith("CPU: ") and found.threads == torch.get_num_threads()
    assert found.versions["python"] == platform.python_version()
    assert found.versions["torch"] == version("torch") and found.versions["numpy"] == version("numpy")
    assert found.versions["torch.compile"] in ("allowed", "off")


def test_what_did_not_compile_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives other bits than what did."""

    def fails(*_: object) -> None:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(compiling, "_inductor", fails)
    step = compiling.Compiled(lambda x: (x + 1,), "a step")
    compiling.begin()
    with pytest.warns(UserWarning, match="a step is not compiled"):
        step(torch.ones(1))
    compiling.begin()
    assert provenance(Resources()).versions["torch.compile"] == "allowed"
    step(torch.ones(1))
    told = provenance(Resources(), uncompiled=["another"]).versions["torch.compile"]
    compiling.begin()
    assert told == "allowed; failed for a step, another"


def test_a_cpu_repeats_its_bits() -> None:
    assert provenance(Resources()).deterministic


def test_threads_are_those_of_the_process() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert provenance(Resources()).threads == 2
    finally:
        torch.set_num_threads(before)


def test_a_commit_is_a_hash_or_none() -> None:
    found = commit().removesuffix("+changes")
    assert found == "none" or (len(found) == 40 and int(found, 16) >= 0)


def test_devices_are_named_if_several_took_part() -> None:
    assert provenance(Resources(), ["CPU: a"]).devices == ()
    found = provenance(Resources(), ["CPU: a", "GPU: b"])
    assert found.devices == ("CPU: a", "GPU: b") and "devices" in found.model_dump()
    assert "devices" not in provenance(Resources()).model_dump()


def test_a_record_from_a_gpu_names_its_software_and_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "gpu" not in provenance(Resources()).model_dump()
    monkeypatch.setattr(Resources, "device_name", "NVIDIA H100")
    monkeypatch.setattr("suite.experiments.provenance.driver", lambda: "570.133.20")
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    with declared_products(), multiplying("tf32"):
        assert provenance(Resources(gpus=1.0)).gpu == {
            "driver": "570.133.20",
            "cuda": "12.8",
            "cudnn": "91002",
            "matmul tf32": "on",
            "cudnn tf32": "on",
            "cudnn benchmark": "off",
            "cudnn deterministic": "off",
        }


def test_a_copy_without_git_has_its_commit_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATBENCH_COMMIT", "0123abc")
    assert commit.__wrapped__() == "0123abc"
