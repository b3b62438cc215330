"""Workers go on until the driver asks them to stop, or is gone, and while the head is away."""

from threading import Event
from typing import NoReturn

import pytest

from suite.experiments.cluster import asking
from suite.experiments.cluster.asking import Asked, Question


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ASK_SECONDS", 0.01)


def test_a_worker_stops_when_it_is_asked(ray_table: dict[str, bytes]) -> None:
    question = Question()
    asked, other = Asked(question.key), Asked(Question().key)
    assert not asked.to_stop.wait(0.1)
    question.ask()
    assert asked.to_stop.wait(60) and not other.to_stop.is_set()
    other.close()


def test_a_worker_stops_when_the_question_is_gone(ray_table: dict[str, bytes]) -> None:
    question = Question()
    asked = Asked(question.key)
    question.close()
    assert asked.to_stop.wait(60) and not ray_table


def test_a_head_that_is_away_stops_nothing(
    ray_table: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    question, tried = Question(), Event()

    def away(key: str) -> NoReturn:
        tried.set()
        raise RuntimeError("no head")

    monkeypatch.setattr(asking, "_internal_kv_get", away)
    asked = Asked(question.key)
    assert tried.wait(60) and not asked.to_stop.wait(0.1)
    question.ask()
    monkeypatch.setattr(asking, "_internal_kv_get", ray_table.get)
    assert asked.to_stop.wait(60)
