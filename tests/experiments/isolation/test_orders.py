"""Orders reach another process."""

import pickle
from pathlib import Path

from suite.experiments.cells.progress import Lost
from suite.experiments.isolation.orders import Order
from suite.records.jobs import Job


def test_an_order_can_be_sent(jobs: list[Job]) -> None:
    order = Order(jobs[0], Path("store"), 1.0, frozenset({"a"}), {"b": Lost("gone", 3, "text")})
    assert pickle.loads(pickle.dumps(order)) == order
