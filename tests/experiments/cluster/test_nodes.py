"""Labels of nodes, and GPUs that tell what they are."""

from typing import Any

import pytest

from suite.experiments.cluster import nodes


def node(alive: bool = True, gpus: float = 0, **labels: str) -> dict[str, Any]:
    return {"Alive": alive, "NodeID": "0" * 56, "Resources": {"GPU": gpus}, "Labels": labels}


@pytest.mark.parametrize(
    ("label", "selector", "found"),
    [
        ("A100", "A100", True),
        ("A100", "H100", False),
        (None, "H100", False),
        ("A100", "!H100", True),
        ("H100", "!H100", False),
        (None, "!H100", True),
        ("A100", "in(A100, H100)", True),
        ("H100", "in(A100,H100)", True),
        ("T4", "in(A100, H100)", False),
        ("T4", "!in(A100, H100)", True),
        ("A100", "!in(A100, H100)", False),
    ],
)
def test_what_a_selector_takes(label: str | None, selector: str, found: bool) -> None:
    assert nodes.matches(label, selector) is found


def test_labels_that_no_living_node_has_are_refused_with_those_that_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = [node(kind="a", zone="x"), node(kind="b", zone="y"), node(False, kind="c")]
    monkeypatch.setattr("ray.nodes", lambda: there)
    nodes.refuse_missing([{}, {"kind": "a", "zone": "x"}, {"kind": "!a"}])
    for wrong in ({"kind": "a", "zone": "y"}, {"kind": "c"}):
        with pytest.raises(ValueError, match=r"nodes have kind = a, kind = b, zone = x, zone = y$") as caught:
            nodes.refuse_missing([{"kind": "a"}, wrong])
        assert f"no node has the labels {', '.join(f'{k} = {v}' for k, v in wrong.items())}" in str(
            caught.value
        )


def test_without_gpus_none_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.nodes", lambda: [node(), node(False, gpus=8)])
    assert nodes.gpus() is None
