"""Writes the table of docs/stores.md from what was measured: `python -m tests.support.chaos.table`."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.chaos import clusters
from tests.support.chaos.kinds import (
    broken_disks,
    damaged_files,
    misbehaving_code,
    processes,
    strange_stores,
    surroundings,
)

FOLDER = Path(__file__).parents[3] / "results" / "measurements"
PATTERN = "chaos-*.json"
PAGE = FOLDER.parents[1] / "docs" / "stores.md"
BEGIN, END = "<!-- chaos -->", "<!-- end of chaos -->"

TITLES = {
    (processes, "one checkpoint interval"): "signals to the driver, or to the process of a job",
    (processes, "nothing"): "a second driver, commands that read the store",
    (broken_disks, "one checkpoint interval"): "disks that are full, read-only or broken",
    (damaged_files, "one checkpoint interval"): "damaged checkpoints",
    (damaged_files, "one cell"): "damaged sets, manifests, records",
    (
        damaged_files,
        "nothing",
    ): "damaged plans, `store.json`, boards, pictures, prepared images, compiled steps",
    (misbehaving_code, "one checkpoint interval"): "methods and evaluators that misbehave once",
    (strange_stores, "one cell"): "records that are edited, or of another protocol",
    (strange_stores, "nothing"): "stores of another protocol, or in conflict",
    (surroundings, "nothing"): "clocks that jump, no home, no temporary folder",
    (surroundings, "one checkpoint interval"): "few open files",
}
"""Kinds in words, by what they may cost."""

ON_RAY = "on Ray: signals to driver, worker and job's process; raylet, head killed"


def measured() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(FOLDER.glob(PATTERN))]


def lines() -> list[str]:
    """Return the table's lines."""
    counts, grouped = Counter[str](), Counter[tuple[str, str]]()
    for found in measured():
        counts.update({name: each["faults"] for name, each in found["kinds"].items()})
    for (module, cost), title in TITLES.items():
        grouped[title, cost] = sum(counts[kind.name] for kind in module.KINDS if kind.cost == cost)
    grouped[ON_RAY, "one checkpoint interval"] = sum(counts[name] for name in clusters.KINDS)
    rows = [f"| {title} | {count} | {cost} |" for (title, cost), count in grouped.items()]
    return ["| fault | times | may cost |", "|---|---|---|", *rows, f"| all | {grouped.total()} | |"]


def totals() -> Counter[str]:
    """Return the sums of all counts."""
    return sum(
        (Counter({k: v for k, v in each.items() if isinstance(v, int)}) for each in measured()), Counter()
    )


def text() -> list[str]:
    """Return what the page says: the table, and what came of the faults."""
    found = totals()
    minutes = sum(each["CPU seconds"] for each in measured()) / 60
    done = found["finished and done again"]
    return [
        *lines(),
        "",
        f"Of {found['faults']} faults in {found['episodes']} episodes, {found['lost']} lost a result, "
        f"{done} repeated a finished cell, and",
        f"{found['wrong']} put a wrong figure on the board. Outer steps that were taken again: "
        f"{found['outer steps taken again']}. Minutes of one core: {minutes:.0f}.",
        "The counts by kind are in `results/measurements/` (`chaos-*.json`).",
    ]


def with_table(page: str) -> str:
    """Return the page with the table between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "\n".join([before + BEGIN, "", *text(), "", END + after])


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
