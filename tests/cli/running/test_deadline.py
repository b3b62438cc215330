"""When a run stops: limits that are read, signals that are heard, work that is given up."""

import signal
import subprocess
import sys
import threading
from time import monotonic, sleep

import pytest

from suite.cli.running import deadline
from suite.cli.running.deadline import Deadline, Stopped, parse


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("9m", 540),
        ("1h30m", 5400),
        ("2h5s", 7205),
        ("00:09:00", 540),
        ("540", 540),
        ("0.5", 0.5),
    ],
)
def test_a_time_is_read(text: str, seconds: float) -> None:
    assert parse(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "9x", "m", "30m1h", "9:00", "00:60:00", "-5", "1.5h", "1e3", "nan"]
)
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=f"--time-limit '{text}': write a time above 0, such as 90s"):
        Deadline(text)


@pytest.mark.parametrize(("limit", "seconds"), [("1h", 3590), ("100s", 90), ("10s", 9)])
def test_time_is_left_for_the_board_and_for_what_is_needed(
    limit: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(deadline, "monotonic", lambda: now)
    end = Deadline(limit)
    now += seconds - 5
    assert not end.near() and not end.near(4.9) and end.reason == ""
    assert end.near(5.1) and end.reason == f"the time limit of {limit} is near"
    assert not end.near(), "one cell needed too much; others may go on"
    now += 5.1
    with pytest.raises(Stopped, match=f"the time limit of {limit} is near"):
        end.check()


def test_without_a_limit_the_end_is_never_near() -> None:
    end = Deadline()
    assert not end.near(1e9)
    with end.watched():
        end.check(1e9)


@pytest.mark.parametrize("number", deadline.SIGNALS)
def test_a_signal_is_an_end(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    end = Deadline("1h")
    with end.watched():
        signal.raise_signal(number)
        assert end.near() and end.reason == f"{number.name} came" and not end.over
    assert signal.getsignal(number) is before


def test_what_is_ignored_stays_ignored() -> None:
    """`nohup` ignores SIGHUP."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        end = Deadline()
        with end.watched():
            signal.raise_signal(signal.SIGHUP)
            assert not end.near()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_does_not_stop_after_a_signal_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "GRACE_SECONDS", 0.1)
    started, end = monotonic(), Deadline("1h")
    with pytest.raises(Stopped, match="SIGTERM came"), end.watched():
        signal.raise_signal(signal.SIGTERM)
        assert monotonic() - started < 0.1  # it had time to stop by itself
        sleep(20)
    assert 0.1 <= monotonic() - started < 10


def test_what_does_not_stop_at_its_limit_is_given_up() -> None:
    end = Deadline("0.5")
    with end.watched():
        with pytest.raises(Stopped, match=r"the time limit of 0\.5 is near"):
            with end.preparing():
                pass
            sleep(20)
        assert end.over
        end.rest()  # the board is not interrupted
        signal.raise_signal(signal.SIGUSR1)
        sleep(0.3)


def test_a_limit_that_ends_while_a_run_is_prepared_is_too_short() -> None:
    end = Deadline("0.2")
    with end.watched(), pytest.raises(ValueError, match=r"--time-limit 0\.2 is too short"), end.preparing():
        sleep(20)


def test_a_limit_in_which_nothing_was_done_is_too_short() -> None:
    end = Deadline("0.001")
    sleep(0.01)
    with (
        end.watched(),
        pytest.raises(ValueError, match=r"--time-limit 0\.001 is too short: .* give it more time"),
    ):
        end.check_long_enough()
    end.moved = True
    end.check_long_enough()  # something was done before, as the timing of outer steps before tries
    end.moved = False
    with end.watched():
        signal.raise_signal(signal.SIGTERM)
        end.check_long_enough()  # not the limit's fault


def test_given_up_by_another_thread_it_is_interrupted_with_the_reason() -> None:
    end, started = Deadline(), monotonic()
    with end.watched(), pytest.raises(Stopped, match="the cluster is gone"):
        threading.Thread(target=end.give_up, args=("the cluster is gone",)).start()
        sleep(20)
    assert monotonic() - started < 10 and end.over is False
    end.check_long_enough()  # not the limit's fault


DEAF = """
import signal, threading
from suite.cli.running import deadline
deadline.GRACE_SECONDS = 0.1
end = deadline.Deadline()
with end.watched():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=end.give_up, args=("the cluster is gone",)).start()
    while True:
        pass
"""


def test_what_an_interrupt_does_not_reach_is_ended_with_the_reason() -> None:
    """As where Ray waits for its head, in C++."""
    ran = subprocess.run([sys.executable, "-c", DEAF], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 75
    assert ran.stdout == "\nstopped, since the cluster is gone; run the same command again to go on\n"
