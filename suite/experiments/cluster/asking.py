"""Whether workers are to stop: an entry in the key-value table of Ray's head, which all nodes can read."""

import secrets
from contextlib import suppress
from threading import Event, Thread

from ray.experimental.internal_kv import _internal_kv_del, _internal_kv_get, _internal_kv_put

ASK_SECONDS = 1.0

_GO_ON, _STOP = b"go on", b"stop"


class Question:
    """The driver's side: workers go on until `ask`, or `close`."""

    def __init__(self) -> None:
        self.key = f"ratbench-{secrets.token_hex(8)}"
        _internal_kv_put(self.key, _GO_ON)

    def ask(self) -> None:
        """Ask all workers to stop."""
        _internal_kv_put(self.key, _STOP)

    def close(self) -> None:
        """Remove the question; workers that still run stop, too."""
        _internal_kv_del(self.key)


class Asked:
    """The worker's side. It asks in a thread, so that work goes on while the head is away."""

    def __init__(self, key: str) -> None:
        self.key, self.to_stop, self._over = key, Event(), Event()
        self._thread = Thread(target=self._go_on, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ask no more."""
        self._over.set()

    def _go_on(self) -> None:
        while not (self._over.is_set() or self.to_stop.is_set()):
            with suppress(Exception):  # of Ray while the head is away, which the driver notices
                if _internal_kv_get(self.key) != _GO_ON:
                    self.to_stop.set()
            self._over.wait(ASK_SECONDS)
