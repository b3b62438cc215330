"""A folder of an object store, named by a URL that fsspec knows: its objects, and what its errors mean."""

import errno
import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from copy import copy
from functools import partial
from pathlib import Path, PurePosixPath
from time import monotonic, sleep
from typing import Any, TypeVar
from uuid import uuid4

from suite.core.files.atomic_write import DiskFault

T = TypeVar("T")

PATIENCE_SECONDS = 120.0
"""Seconds for which a failed access is tried again before a run stops, as for a full disk."""

LONGEST_WAIT_SECONDS = 10.0

_CHUNK_BYTES, _CHUNK_FILES = 64 * 2**20, 200
"""The most that is read or written at once."""

_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "s3": {"config_kwargs": {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 2}}}
}
_INSTALL = {"s3": "pip install 'rat-bench[s3]'", "s3a": "pip install 'rat-bench[s3]'"}
_MARKS = ("size", "ETag", "etag", "md5Hash", "content_md5", "LastModified", "updated", "mtime", "created")
_REFUSED = {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound"}
_REFUSED |= {"TokenRetrievalError", "SSOTokenLoadError", "DefaultCredentialsError", "RefreshError"}
_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID")

copies: dict[str, str] = {}
"""The URLs of the local copies that this process works in, by their paths."""


class RemoteFault(DiskFault):
    """An object that the object store did not take, or does not give."""

    def __init__(self, sentence: str) -> None:
        super().__init__(Path(), OSError(errno.EIO, sentence))
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


def url_of(path: Path | str) -> str | None:
    """Return the URL that a path means, of which pathlib drops a slash; None for a path of this machine."""
    found = re.fullmatch(r"([a-z][a-z0-9+.-]*[a-z0-9]):(/*)(.*)", str(path), re.DOTALL)
    if found is None or found[1] == "file" or Path(path).exists():
        return None
    if not found[2] and (found[3] or not _is_protocol(found[1])):  # s3:// is s3: as a path
        return None
    return f"{found[1]}://{found[3].rstrip('/')}"


def _is_protocol(name: str) -> bool:
    import fsspec  # imported here: it takes time, and only stores of this kind need it

    return name in fsspec.available_protocols()


def plain(path: Path) -> Path:
    """Return the path that `file:///path` means; other paths as they are."""
    return Path("/", str(path).removeprefix("file:").lstrip("/")) if str(path).startswith("file:/") else path


class Place:
    """The objects below a URL; names are relative to it.

    Raises ValueError for a URL of which nothing can be read, RemoteFault if the object store fails; missing
    objects are no fault.
    """

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs

        self.url = url
        protocol, _, rest = url.partition("://")
        if "@" in rest.partition("/")[0]:
            raise ValueError(
                f"{protocol}://… has a name or a password in it, which others would see; leave it out: "
                "credentials come from the environment, or from the files of the cloud's tools"
            )
        if not rest.partition("/")[0]:
            raise ValueError(f"{url} names no bucket; write {protocol}://BUCKET/FOLDER")
        if not _is_protocol(protocol) or "::" in url:
            raise ValueError(
                f"{url}: fsspec knows no {protocol}://; write s3://, gs:// or another of its URLs"
            )
        try:
            made, root = url_to_fs(
                url,
                use_listings_cache=False,
                skip_instance_cache=protocol != "memory",
                **_OPTIONS.get(protocol, {}),
            )
        except ImportError as error:
            remedy = _INSTALL.get(protocol, "install it with pip")
            raise ValueError(f"{url} cannot be opened: {error}; {remedy}") from None
        except Exception as error:  # any, of many libraries
            raise self._fault(error) from None
        self.fs, self.root = made, str(root).rstrip("/")
        self._patience: float | None = None

    def impatient(self) -> "Place":
        """Return it without trying again."""
        other = copy(self)
        other._patience = 0.0
        return other

    def check(self) -> float:
        """Return the object store's time in seconds since 1970, by an object that is written and removed.

        Raises RemoteFault at once if it is not reached, or takes no objects, or cannot create exclusively.
        """
        name = f".ratbench-{uuid4().hex}"
        at_once = self.impatient()
        at_once.create(name, b"")
        try:
            now = at_once.modified(name)
            with suppress(FileExistsError):
                at_once.create(name, b"")
                raise RemoteFault(
                    f"{self.url}: this object store overwrites objects that should be new; choose another one"
                )
            return now
        finally:
            at_once.remove([name])

    def listed(self, prefix: str = "") -> dict[str, list[str]]:
        """Return the objects whose names begin with a prefix, each with what changes when it changes."""
        folder, _, begin = prefix.rpartition("/")
        path = f"{self.root}/{folder}".rstrip("/")
        options = {"prefix": begin} if begin and "s3" in self._protocols else {}
        found = self._tried(lambda: self.fs.find(path, detail=True, **options), {})
        names = {str(each).removeprefix(f"{self.root}/"): _mark(info) for each, info in found.items()}
        return {name: mark for name, mark in names.items() if name.startswith(prefix) and _is_name(name)}

    def mark(self, name: str) -> list[str] | None:
        """Return what changes when an object changes; None without one."""
        found = self._tried(lambda: self.fs.info(self._path(name)), None)
        return None if found is None else _mark(found)

    def modified(self, name: str) -> float:
        """Return when an object was written, in seconds since 1970; 0 without one."""
        found = self._tried(lambda: self.fs.modified(self._path(name)), None)
        return 0.0 if found is None else float(found.timestamp())

    def read(self, names: Mapping[str, int]) -> Iterable[tuple[str, bytes]]:
        """Yield objects and their contents; those that are gone meanwhile are left out. names: with sizes."""
        for chunk in _chunks(names):
            paths = {self._path(name): name for name in chunk}
            got = self._tried(partial(self._cat, list(paths)), {})
            yield from ((paths[path], content) for path, content in got.items())

    def write(self, contents: Mapping[str, Callable[[], bytes]], sizes: Mapping[str, int]) -> None:
        """Write objects; earlier ones are replaced."""
        for chunk in _chunks(sizes):
            values = {self._path(name): contents[name]() for name in chunk}
            self._tried(partial(self.fs.pipe, values))

    def create(self, name: str, content: bytes) -> None:
        """Write an object; raises FileExistsError if it is there."""
        self._tried(partial(self.fs.pipe_file, self._path(name), content, mode="create"))

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects, as far as they are there."""
        for name in names:
            self._tried(partial(self.fs.rm_file, self._path(name)), None)

    @property
    def _protocols(self) -> tuple[str, ...]:
        own = self.fs.protocol
        return (own,) if isinstance(own, str) else tuple(own)

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def _cat(self, paths: list[str]) -> dict[str, bytes]:
        found = self.fs.cat(paths, on_error="return")
        found = found if isinstance(found, dict) else {paths[0]: found}
        for each in found.values():
            if isinstance(each, Exception) and not isinstance(each, FileNotFoundError):
                raise each
        return {path: each for path, each in found.items() if isinstance(each, bytes)}

    def _tried(self, action: Callable[[], T], absent: Any = ...) -> T:
        """Return what an action returns, which is tried again while the object store fails.

        absent: returned if the object is not there; without it, that is a fault. Raises FileExistsError,
        RemoteFault.
        """
        patience = PATIENCE_SECONDS if self._patience is None else self._patience
        end, wait = monotonic() + patience, 0.5
        while True:
            try:
                return action()
            except FileExistsError:
                raise
            except FileNotFoundError as error:
                if absent is not ...:
                    return absent  # type: ignore[no-any-return]
                raise self._fault(error) from None
            except Exception as error:  # any, of many libraries
                if "PreconditionFailed" in str(error):
                    raise FileExistsError(str(error)) from None
                if _is_refusal(error) or monotonic() + wait > end:
                    raise self._fault(error) from None
            sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    def _fault(self, error: Exception) -> RemoteFault:
        """Return a sentence on an error, without what is secret."""
        if _is_refusal(error):
            return RemoteFault(
                f"{self.url} refuses access ({_said(error)}); give this machine credentials that may list, "
                "read, write and delete there, and run the same command again"
            )
        if isinstance(error, FileNotFoundError):
            return RemoteFault(
                f"{self.url} cannot be written: there is no such bucket; create it, or correct its name"
            )
        return RemoteFault(
            f"{self.url} does not answer as it should ({_said(error)}); check the network and the endpoint, "
            "and run the same command again"
        )


def _is_refusal(error: Exception) -> bool:
    names = {each.__name__ for each in type(error).__mro__}
    return isinstance(error, PermissionError) or bool(names & _REFUSED)


def _said(error: Exception) -> str:
    """Return the first line of an error, without credentials and signed addresses."""
    text = (str(error).splitlines() or [""])[0]
    for secret in filter(None, map(os.environ.get, _SECRETS)):
        text = text.replace(secret, "…")
    text = re.sub(r"//[^/\s@]*@", "//", re.sub(r"\?\S+", "", text))
    return text[:200] or type(error).__name__


def _mark(info: Mapping[str, Any]) -> list[str]:
    return [str(info[key]) for key in _MARKS if info.get(key) is not None]


def size_of(mark: list[str]) -> int:
    """Return the size of an object in bytes."""
    return int(mark[0]) if mark and mark[0].isdecimal() else 0


def _is_name(name: str) -> bool:
    """Return whether an object may be a file of a store: it names nothing outside of it."""
    parts = PurePosixPath(name).parts
    whole = "/".join(parts) == name and not name.startswith("/") and "\0" not in name
    return whole and ".." not in parts and all(len(part.encode(errors="replace")) < 256 for part in parts)


def _chunks(sizes: Mapping[str, int]) -> Iterable[list[str]]:
    chunk: list[str] = []
    total = 0
    for name, size in sizes.items():
        if chunk and (total + size > _CHUNK_BYTES or len(chunk) == _CHUNK_FILES):
            yield chunk
            chunk, total = [], 0
        chunk.append(name)
        total += size
    if chunk:
        yield chunk
