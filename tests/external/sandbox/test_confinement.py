"""All layers together, tried from inside: whatever is not reading the set is refused."""

import sys
from pathlib import Path

import pytest

from tests.support.confined import CHANGING, NETWORK, OPENING, succeeded, tried

ALL = "namespace landlock seccomp"


def test_nothing_is_possible_but_reading(tmp_path: Path) -> None:
    layers, found = tried(tmp_path, ALL)
    if not {"landlock", "seccomp"} <= set(layers):
        pytest.skip(f"this kernel confines by {layers} only")
    assert layers[0] == "limits" and len(found) > 35
    assert not succeeded(found)


def test_the_attempts_are_real(tmp_path: Path) -> None:
    """Without layers they succeed."""
    _, found = tried(tmp_path, "", *NETWORK, *OPENING, *CHANGING, "read", "list", "exec", "kill")
    assert not any(found.values()), found


def test_limits_hold_without_any_layer(tmp_path: Path) -> None:
    _, found = tried(tmp_path, "", "memory", "files", "much", "limits", "time")
    assert found.pop("memory").startswith("MemoryError" if sys.platform == "linux" else "")
    assert found["time"] in ("signal 9", "signal 24")
    assert "Too many open files" in found["files"] and "File too large" in found["much"]
    assert "not allowed" in found["limits"] or "not permitted" in found["limits"]


def test_the_namespace_alone_refuses_the_network(tmp_path: Path) -> None:
    layers, found = tried(tmp_path, "namespace", "tcp", "udp")
    if "namespace" not in layers:
        pytest.skip("no user namespaces here")
    assert "unreachable" in found["tcp"] and "unreachable" in found["udp"]


def test_a_kernel_without_layers_says_so(tmp_path: Path) -> None:
    assert tried(tmp_path, "", "read") == (["limits"], {"read": ""})
