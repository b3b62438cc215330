"""Tasks side by side give their results in order; on a CPU they take turns."""

from functools import partial

import torch

from suite.core.execution.streams import side_by_side


def test_results_come_in_the_order_of_the_tasks() -> None:
    done: list[int] = []

    def task(number: int) -> int:
        done.append(number)
        return number * number

    tasks = [partial(task, number) for number in range(4)]
    assert side_by_side(tasks, torch.device("cpu")) == [0, 1, 4, 9]
    assert done == [0, 1, 2, 3]
