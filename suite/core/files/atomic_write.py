"""Write files atomically, and read them; what the disk refuses is a `DiskFault`, and no error of the work."""

import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PARTIAL = ".partial-"
"""The beginning of the names of files that are being written."""

_REMEDIES = {
    errno.ENOSPC: "free some space, or inodes, there",
    errno.EDQUOT: "your quota is used up: free some space there, or have it raised",
    errno.EROFS: "mount it for writing, or choose another folder",
    errno.EACCES: "give this user the right, or choose another folder",
    errno.EPERM: "give this user the right, or choose another folder",
    errno.EIO: "check the disk, or choose another one",
    errno.ESTALE: "mount the network's folder again",
    errno.ENAMETOOLONG: "choose shorter names, or another file system",
    errno.EFBIG: "raise the limit of a file's size (`ulimit -f`)",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
    errno.ENOENT: "bring the folder back",
    errno.ENOTDIR: "move away what stands in the place of a folder",
    errno.EEXIST: "move away what stands in the place of a folder",
    errno.EISDIR: "move the folder of this name away",
}
_REMEDY = "mend the disk, or choose another folder"

_UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)
"""Errors of file systems that do not sync what they are asked to sync, such as folders."""

_NO_LINKS = (errno.EPERM, errno.EACCES, errno.EMLINK, errno.EXDEV, *_UNSUPPORTED)
"""Errors of file systems without hard links."""


class DiskFault(OSError):
    """A file that the disk did not take, or does not give. The work is not at fault, and goes on later.

    As text it is a sentence that names the path and the remedy.
    """

    def __init__(self, path: Path, error: OSError, what: str = "written") -> None:
        super().__init__(error.errno, error.strerror)
        self.path, self._what = path, what

    def __reduce__(self) -> tuple[object, ...]:
        """Return what another process makes it of."""
        return DiskFault, (self.path, OSError(self.errno, self.strerror), self._what)

    def __str__(self) -> str:
        remedy = _REMEDIES.get(self.errno or 0, _REMEDY)
        reason = self.strerror or "the disk failed"
        return f"{self.path} cannot be {self._what}: {reason}; {remedy}, and run the same command again"


class NotAFile(ValueError):
    """A folder, a pipe, a device, or a link that leads nowhere, where a file should be."""


def write_whole(
    path: Path, write: Callable[[Path], object], *, replace: bool = True, sync: bool = True
) -> bool:
    """Write a file by `write(partial path)`, sync it, then rename it to `path`; return whether it is there.

    replace: whether to replace an existing file; otherwise it stays, and False is returned. sync: whether to
    wait until it is on disk, which takes milliseconds; who writes thousands of files calls `os.sync` once.
    Raises DiskFault if the disk does not take it.
    """
    with faults_of(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=partial_of(path.name))
        os.close(handle)
        partial = Path(name)
        try:
            write(partial)
            if sync:
                _sync(partial)
            with suppress(PermissionError):  # of a file system without modes
                partial.chmod(0o644)  # mkstemp's files are private; a shared folder is read by others
            if replace:
                partial.replace(path)
            written = replace or _link(partial, path)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        if sync:
            _sync(path.parent)
    return written


def partial_of(name: str) -> str:
    """Return the beginning of the name under which a file of this name is written."""
    return f"{PARTIAL}{os.fsencode(name)[:100].decode(errors='ignore')}-"


def write_bytes(path: Path, content: bytes, *, replace: bool = False, sync: bool = True) -> bool:
    """Write `content` to `path` as `write_whole` does; create the folder if it is missing."""
    make_folder(path.parent)
    return write_whole(path, lambda partial: partial.write_bytes(content), replace=replace, sync=sync)


def write_output(path: Path, content: bytes) -> None:
    """Write a file that people asked for, whole; a link to a file is followed, a device written as it is."""
    if path.is_char_device() or (path.is_symlink() and path.is_fifo()):
        with faults_of(path):
            path.write_bytes(content)  # such as /dev/stdout
    else:
        write_bytes(path.resolve() if path.is_file() else path, content, replace=True, sync=False)


def make_folder(path: Path) -> None:
    """Create a folder and those above it, unless it is there; raises DiskFault."""
    with faults_of(path):
        path.mkdir(parents=True, exist_ok=True)


def move(path: Path, target: Path) -> None:
    """Give a file or a folder another name on the same disk; raises DiskFault."""
    with faults_of(target):
        path.rename(target)


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """Return the content of a file.

    Raises FileNotFoundError if nothing has its name, NotAFile for what is no file, ValueError above `limit`
    bytes, and DiskFault if the disk does not give it.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would make it wait
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise NotAFile(f"{path} is not a file")
            if limit is not None and found.st_size > limit:
                raise ValueError(f"{path} has more than {limit >> 20} MiB, which is the limit")
            with open(handle, "rb", buffering=0, closefd=False) as file:
                return file.readall()
        finally:
            os.close(handle)
    except FileNotFoundError:
        if path.is_symlink():
            raise NotAFile(f"{path} is a link that leads nowhere") from None
        raise
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise NotAFile(f"{path} is not a file") from None
        if error.errno == errno.ENOTDIR:
            raise FileNotFoundError(error.errno, error.strerror, str(path)) from None
        raise DiskFault(path, error, "read") from error


@contextmanager
def faults_of(path: Path) -> Iterator[None]:
    """Raise DiskFault for each error of the system in the body of the `with` statement, which writes `path`.

    Libraries raise OSError for other reasons, too, such as an image that cannot be decoded, without a number.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, DiskFault) or error.errno is None:
            raise
        raise DiskFault(path, error) from error


def disk_fault(error: BaseException | None) -> DiskFault | None:
    """Return the DiskFault that an error is, or that led to it; None if there is none."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        if isinstance(error, DiskFault):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


def _sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on disk, if the file system can."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(handle)


def _link(partial: Path, path: Path) -> bool:
    """Give a file its name, unless that is taken; return whether it was free."""
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with _alone_in(path.parent):
            if os.path.lexists(path):
                return False
            partial.replace(path)
    return True


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes of this machine out of the body of the `with` statement."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
