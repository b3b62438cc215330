"""Notices that a run has lost its Ray; Ray itself hangs then, or ends the process after a silent minute."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

PROBE_SECONDS = 2.0
"""Seconds between two probes, and the limit of each."""


@dataclass(frozen=True)
class Service:
    """A process of Ray that a driver needs.

    lost: what to tell the user, a sentence without a full stop; patience: seconds that it may be away.
    """

    host: str
    port: int
    lost: str
    patience: float

    def answers(self) -> bool:
        """Return whether something listens at its port."""
        try:
            socket.create_connection((self.host, self.port), timeout=PROBE_SECONDS).close()
        except OSError:
            return False
        return True


@contextmanager
def watched(services: Sequence[Service], lost: Callable[[str], None]) -> Iterator[threading.Event]:
    """Probe services in the body of the `with` statement; call `lost` once, in a thread, if one is away.

    If several are away, `lost` gets the reason of the first in `services`. The event is set before the call.
    """
    over, noticed = threading.Event(), threading.Event()
    thread = threading.Thread(target=_watch, args=(services, lost, over, noticed), daemon=True)
    thread.start()
    try:
        yield noticed
    finally:
        over.set()


def _watch(
    services: Sequence[Service], lost: Callable[[str], None], over: threading.Event, noticed: threading.Event
) -> None:
    answered = [monotonic()] * len(services)
    while not over.wait(PROBE_SECONDS):
        for number, service in enumerate(services):
            if service.answers():
                answered[number] = monotonic()
            elif monotonic() - answered[number] > service.patience and not over.is_set():
                noticed.set()
                away = (each for each in services if not each.answers())
                lost(next(away, service).lost)
                return
