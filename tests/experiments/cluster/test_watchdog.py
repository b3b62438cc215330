"""A service that no longer answers is noticed once, and one that comes back is not."""

import threading
from collections.abc import Iterator
from socket import create_server, socket

import pytest

from suite.experiments.cluster import watchdog
from suite.experiments.cluster.watchdog import Service, watched


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "PROBE_SECONDS", 0.05)


@pytest.fixture
def listening() -> Iterator[socket]:
    with create_server(("127.0.0.1", 0)) as server:
        yield server


def service(server: socket, patience: float = 0.2, lost: str = "it is gone") -> Service:
    host, port = server.getsockname()
    return Service(host, port, lost, patience)


def test_what_no_longer_answers_is_told_once_with_its_reason(listening: socket) -> None:
    told, called = list[str](), threading.Event()

    def lost(reason: str) -> None:
        told.append(reason)
        called.set()

    with create_server(("127.0.0.1", 0)) as other:
        watching = [service(listening), service(other, lost="the other is gone")]
        with watched(watching, lost) as noticed:
            assert not noticed.is_set()
            other.close()
            assert called.wait(30) and noticed.is_set()
    assert told == ["the other is gone"]


def test_of_several_the_first_tells_why(listening: socket) -> None:
    told, called = list[str](), threading.Event()

    def lost(reason: str) -> None:
        told.append(reason)
        called.set()

    first, second = service(listening, 300.0, "the head"), service(listening, 0.0, "what hangs on it")
    listening.close()
    with watched([first, second], lost):
        assert called.wait(30)
    assert told == ["the head"]


def test_one_that_comes_back_in_time_is_not_lost(listening: socket) -> None:
    told = list[str]()
    place, before = listening.getsockname(), service(listening, patience=30.0)
    with watched([before], told.append):
        listening.close()
        while before.answers():
            pass
        with create_server(place):
            assert before.answers() and not told


def test_nothing_is_told_after_the_body(listening: socket) -> None:
    told = list[str]()
    with watched([service(listening, patience=0.0)], told.append):
        threads = threading.active_count()
    listening.close()
    while threading.active_count() >= threads:
        threading.Event().wait(0.01)
    assert not told
