"""The objects below a URL of an object store, through fsspec, and what its errors mean."""

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
"""Seconds for which a failed access is tried again. Then the run stops, as for a full disk."""

LONGEST_WAIT_SECONDS = 10.0

_CHUNK_BYTES, _CHUNK_FILES = 64 * 2**20, 200
"""Limits of what is read or written at once."""

_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "s3": {"config_kwargs": {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 2}}}
}
_INSTALL = {"s3": "pip install 'rat-bench[s3]'", "s3a": "pip install 'rat-bench[s3]'"}
_MARKS = ("size", "ETag", "etag", "md5Hash", "content_md5", "LastModified", "updated", "mtime", "created")
_REFUSED = {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound"}
_REFUSED |= {"TokenRetrievalError", "SSOTokenLoadError", "DefaultCredentialsError", "RefreshError"}
_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID")

copies: dict[str, str] = {}
"""The URLs of which this process has local copies, by the path of the copy."""


class RemoteFault(DiskFault):
    """An object that could not be written or read."""

    def __init__(self, sentence: str) -> None:
        super().__init__(Path(), OSError(errno.EIO, sentence))
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


def url_of(path: Path | str) -> str | None:
    """Return the URL that a path stands for, of which pathlib drops a slash; None for a path here."""
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
    """Return the path in a URL such as `file:///path`; other paths as they are."""
    return Path("/", str(path).removeprefix("file:").lstrip("/")) if str(path).startswith("file:/") else path


class Place:
    """The objects below a URL; names are relative to it.

    Raises ValueError for a URL that cannot be used. Methods raise RemoteFault if the object store fails.
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
        self._patient = True

    def impatient(self) -> "Place":
        """Return the same place, where a failed access is not tried again."""
        other = copy(self)
        other._patient = False
        return other

    def check(self) -> float:
        """Write and remove an object; return when it was written, by the object store's clock.

        In seconds since 1970. Raises RemoteFault at once if the object store does not answer, takes no
        objects, or cannot create exclusively.
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
        """Return the marks of the objects whose names begin with a prefix, by name.

        A mark differs after each change of an object: its size, its hash, its time.
        """
        folder, _, begin = prefix.rpartition("/")
        path = f"{self.root}/{folder}".rstrip("/")
        options = {"prefix": begin} if begin and "s3" in self._protocols else {}
        found = self._tried(lambda: self.fs.find(path, detail=True, **options), {})
        names = {str(each).removeprefix(f"{self.root}/"): _mark(info) for each, info in found.items()}
        return {name: mark for name, mark in names.items() if name.startswith(prefix) and _is_name(name)}

    def mark(self, name: str) -> list[str] | None:
        """Return the mark of an object; None if there is no such object."""
        found = self._tried(lambda: self.fs.info(self._path(name)), None)
        return None if found is None else _mark(found)

    def modified(self, name: str) -> float:
        """Return when an object was written, in seconds since 1970; 0 if there is no such object."""
        found = self._tried(lambda: self.fs.modified(self._path(name)), None)
        return 0.0 if found is None else float(found.timestamp())

    def read(self, sizes: Mapping[str, int]) -> Iterable[tuple[str, bytes]]:
        """Yield the names and contents of objects, except those that are gone. sizes: by name."""
        for names in _chunks(sizes):
            found = self._tried(partial(self._contents, names))
            yield from ((name, content) for name, content in found.items() if content is not None)

    def content(self, name: str) -> bytes | None:
        """Return the content of an object; None if there is no such object."""
        return self._tried(lambda: self._contents([name])[name])

    def write(self, sizes: Mapping[str, int], content: Callable[[str], bytes]) -> None:
        """Write objects; earlier ones are replaced. sizes: by name; content: gives that of a name."""
        for names in _chunks(sizes):
            self._tried(partial(self.fs.pipe, {self._path(name): content(name) for name in names}))

    def put(self, name: str, content: bytes) -> None:
        """Write an object; an earlier one is replaced."""
        self.write({name: len(content)}, lambda _: content)

    def create(self, name: str, content: bytes) -> None:
        """Write a new object; raises FileExistsError if there is one of this name."""
        self._tried(partial(self.fs.pipe_file, self._path(name), content, mode="create"))

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; names of no object are passed over."""
        for name in names:
            self._tried(partial(self.fs.rm_file, self._path(name)), None)

    @property
    def _protocols(self) -> tuple[str, ...]:
        own = self.fs.protocol
        return (own,) if isinstance(own, str) else tuple(own)

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def _contents(self, names: list[str]) -> dict[str, bytes | None]:
        # Not `cat`, to which names with [ are patterns.
        found = self.fs.cat_ranges([*map(self._path, names)], None, None, on_error="return")
        for each in found:
            if isinstance(each, Exception) and not isinstance(each, FileNotFoundError):
                raise each
        return {
            name: each if isinstance(each, bytes) else None for name, each in zip(names, found, strict=True)
        }

    def _tried(self, action: Callable[[], T], absent: Any = ...) -> T:
        """Return what `action` returns; it is called again while the object store fails.

        absent: what to return if there is no such object; by default that is a fault. Raises FileExistsError,
        RemoteFault.
        """
        end, wait = monotonic() + (PATIENCE_SECONDS if self._patient else 0.0), 0.5
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
        """Return the fault that an error means, in a sentence without secrets."""
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
    """Return whether an object's name can be that of a file in a store, and leads nowhere else."""
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
