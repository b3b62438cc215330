"""The nodes of the Ray of a run: their labels, and their GPUs."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from suite.experiments.resources import Resources

GPU_SECONDS = 60.0
"""Seconds in which GPUs must answer. One that others use does not, and then trials share no GPU."""


@dataclass(frozen=True)
class Gpus:
    """The GPUs of all nodes: the names of their models, the memory of the smallest in bytes, their number."""

    names: frozenset[str]
    memory_bytes: int
    number: int


def gpus() -> Gpus | None:
    """Return the GPUs of all nodes; None without any, or if a node does not tell in time."""
    having = [node for node in _alive() if node["Resources"].get("GPU", 0) >= 1]
    if not having:
        return None
    asked = [
        told.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote()
        for node in having
    ]
    try:
        answers: list[tuple[str, int]] = ray.get(asked, timeout=GPU_SECONDS)
    except GetTimeoutError:
        return None
    number = int(sum(node["Resources"]["GPU"] for node in having))
    return Gpus(frozenset(name for name, _ in answers), min(memory for _, memory in answers), number)


@ray.remote(num_cpus=0, num_gpus=0.01)
def told() -> tuple[str, int]:
    """Return the name of a worker's GPU, and its memory in bytes."""
    found = Resources(gpus=1.0)
    return found.device_name, found.memory_bytes


def refuse_missing(selectors: Iterable[Mapping[str, str]]) -> None:
    """Raise ValueError for labels that no node has: Tune would wait forever."""
    nodes = [node["Labels"] for node in _alive()]
    for selector in {tuple(each.items()): each for each in selectors}.values():
        if not any(
            all(matches(labels.get(key), value) for key, value in selector.items()) for labels in nodes
        ):
            wanted = ", ".join(f"{key} = {value}" for key, value in selector.items())
            there = sorted({f"{key} = {value}" for labels in nodes for key, value in labels.items()})
            told = ", ".join(each for each in there if not each.startswith("ray.io/node-id"))
            raise ValueError(f"no node has the labels {wanted} of the grid; nodes have {told or 'none'}")


def matches(label: str | None, selector: str) -> bool:
    """Return whether a node's label, None for none, has one of the values of a selector.

    >>> matches("H100", "in(A100, H100)"), matches("H100", "!H100"), matches(None, "!H100")
    (True, False, True)
    """
    values = re.split(", ?", selector.removeprefix("!").removeprefix("in(").removesuffix(")"))
    return (label in values) != selector.startswith("!")


def _alive() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
