"""What is known of tasks: from the catalogue, or from data on this machine."""

from suite.records.audit.known import TaskFacts, Tasks
from tests.support.audited import HERE


def test_a_task_is_asked_for_once() -> None:
    asked = []

    def ask(name: str) -> TaskFacts | str:
        asked.append(name)
        return HERE if name == "digits" else "no files"

    tasks = Tasks(ask)
    assert tasks["digits"] is HERE and tasks["digits"] is HERE and asked == ["digits"]
    assert tasks["cifar10"] == TaskFacts(10, (3, 32, 32), 10_000)
    assert tasks["cifar10:holdout"] == TaskFacts(10, (3, 32, 32), 0)
    assert tasks["folder:/mine"] is None
    assert set(tasks.unknown) == {"cifar10", "cifar10:holdout", "folder:/mine"}
