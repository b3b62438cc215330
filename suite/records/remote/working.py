"""A run's store on an object store: its local copy, its lock, and the files of its jobs."""

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from typing import TypeVar

from pydantic import ValidationError

from suite.core.files.atomic_write import DiskFault, read_bytes
from suite.records.jobs import Job
from suite.records.remote.mirror import Mirror, Scope, of_job
from suite.records.remote.place import Place, RemoteFault, copies, plain, url_of
from suite.records.store import Store
from suite.records.stores import heartbeat
from suite.records.stores.heartbeat import DEAD_SECONDS, Sign
from suite.records.upkeep.facts import FACTS

T = TypeVar("T")

BEAT_SECONDS = 10.0
"""Seconds between two signs of life on the object store."""

_LOCK = f"running/{heartbeat.DRIVER}.json"
"""The object that is the lock: the driver's sign of life. It is created exclusively, then renewed."""

_COPY = "ratbench-store-"
"""The folder of a worker's copy is called so, then by the number of its process."""


def create(path: Path, option: str = "--store") -> Store:
    """Open the store at a path or a URL, given by `option`; create it if it does not exist.

    Raises ValueError as `Store.create` does, and for a URL that cannot be used; RemoteFault if the object
    store refuses access or does not answer.
    """
    url = url_of(path)
    if url is None:
        return Store.create(plain(path), option)
    place = Place(url)
    place.check()
    store, stated = RemoteStore(place, folder_of(url, "run"), remembers=True), Scope((FACTS,))
    store.mirror.pull(stated)
    if not (store.path / FACTS).is_file():
        store.mirror.pull(Scope(("records/",)))  # they state the protocol, too
    store.prepared(option)
    store.mirror.push(stated)
    return store


def of_worker(address: str) -> Store:
    """Return a run's store for a worker; that of a URL works in a temporary copy.

    Raises RemoteFault if this node cannot open it.
    """
    url = url_of(address)
    if url is None:
        return Store(Path(address))
    _sweep(Path(tempfile.gettempdir()))
    try:
        return RemoteStore(Place(url), Path(tempfile.mkdtemp(prefix=f"{_COPY}{os.getpid()}-")))
    except ValueError as error:
        raise RemoteFault(f"on node {socket.gethostname()}: {error}") from None


def folder_of(url: str, use: str) -> Path:
    """Return the folder of this user's copy of a store. use: "read" or "run"."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "ratbench" / "stores" / f"{sha256(url.encode()).hexdigest()[:16]}-{use}"


class RemoteStore(Store):
    """A store on an object store, with a local copy at `path`, in which all work is done.

    remembers: whether the copy is kept, so that the next run pulls only what changed.
    """

    def __init__(self, place: Place, path: Path, *, remembers: bool = False) -> None:
        super().__init__(path)
        self.place = place
        self.mirror = Mirror(place, path, path.with_name(f"{path.name}.json") if remembers else None)
        self._temporary = not remembers
        copies[str(path)] = place.url

    @property
    def address(self) -> str:
        """Its URL."""
        return self.place.url

    def send(self) -> None:
        """Push what is new in the copy; raises RemoteFault."""
        self.mirror.push()
        self.mirror.save()

    def fetch(self) -> None:
        """Pull what others wrote; raises RemoteFault."""
        self.mirror.pull()
        self.mirror.save()

    def job(self, cell: str) -> Job:
        """Pull and return the job whose first cell has this id."""
        self.mirror.pull(Scope((f"jobs/{cell}.json",)))
        return super().job(cell)

    def close(self) -> None:
        """Remove the copy of a worker."""
        if self._temporary:
            shutil.rmtree(self.path, ignore_errors=True)

    def following(self, job: Job, work: Generator[T, None, None]) -> Generator[T, None, None]:
        """Pull what a job needs, pass on the reports of `work`, and push what it wrote after each."""
        scope, faulty = of_job(job), False
        self.mirror.pull(scope)
        with _regularly(lambda: self.mirror.push(Scope((f"running/{job.id}.json",)))):
            try:
                with closing(work):
                    for report in work:
                        try:
                            self.mirror.push(scope)
                        except DiskFault:
                            faulty = True
                            raise
                        yield report
            finally:
                if not faulty:
                    self.mirror.push(scope)
        if self._temporary:
            self.mirror.forget(scope)

    @contextmanager
    def locked(self, doing: str = "run", lost: Callable[[str], None] = lambda reason: None) -> Iterator[None]:
        """Lock the copy and the object store; pull at the beginning, push at the end.

        lost: called in a thread, with a reason, if another run takes the lock because this one gave no sign
        of life for a minute.
        """
        with super().locked(doing):
            own = self._acquire()
            try:
                self.place.remove([name for name in self.place.listed("running/") if name != _LOCK])
                self.fetch()
                with _regularly(lambda: self._renew(own, lost)):
                    yield
                self.send()
            finally:
                with suppress(RemoteFault):
                    if _is_same(self._holder(), own):
                        self.place.remove([_LOCK])

    def _acquire(self) -> Sign:
        """Take the lock; raises ValueError if a living process has it."""
        content = read_bytes(self.path / _LOCK)
        own = Sign.model_validate_json(content)
        while True:
            try:
                self.place.create(_LOCK, content)
                return own
            except FileExistsError:
                holder = self._holder()
                if _is_same(holder, own):
                    return own  # the answer to an earlier try was lost
                if self._is_alive(holder):
                    by = holder.where if holder else "another process"
                    raise ValueError(
                        f"store {self.address} is in use by {by}; wait until it ends, or end it"
                    ) from None
                self.place.remove([_LOCK])

    def _holder(self, place: Place | None = None) -> Sign | None:
        """Return who has the lock; None if nobody has it, or it cannot be read."""
        with suppress(ValidationError):
            return Sign.model_validate_json((place or self.place).content(_LOCK) or b"")
        return None

    def _is_alive(self, holder: Sign | None) -> bool:
        """Return whether the lock's holder gave a sign of life lately, by the object store's clock."""
        if holder and holder.host == socket.gethostname() and not heartbeat.exists(holder.pid):
            return False
        return self.place.check() - self.place.modified(_LOCK) <= DEAD_SECONDS

    def _renew(self, own: Sign, lost: Callable[[str], None]) -> None:
        """Give a sign of life; call `lost` if another process has the lock."""
        place = self.place.impatient()
        holder = self._holder(place)
        if not _is_same(holder, own):
            by = holder.where if holder else "another process"
            lost(f"{by} took over store {self.address}")
            return
        place.put(_LOCK, read_bytes(self.path / _LOCK))


def _is_same(holder: Sign | None, own: Sign) -> bool:
    return holder is not None and (holder.host, holder.pid, holder.since) == (own.host, own.pid, own.since)


@contextmanager
def _regularly(action: Callable[[], None]) -> Iterator[None]:
    """Call `action` every `BEAT_SECONDS` in the body of the `with` statement; its faults do not count."""
    over = Event()

    def go_on() -> None:
        while not over.wait(BEAT_SECONDS):
            with suppress(OSError):
                action()

    thread = Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _sweep(folder: Path) -> None:
    """Remove the copies of killed workers of this machine."""
    for path in folder.glob(f"{_COPY}*"):
        pid = path.name.removeprefix(_COPY).partition("-")[0]
        if pid.isdecimal() and not heartbeat.exists(int(pid)):
            shutil.rmtree(path, ignore_errors=True)
