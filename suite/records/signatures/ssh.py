"""Signatures by SSH keys: `ssh-keygen -Y` of OpenSSH 8.2 or later signs and checks."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

NAMESPACE = "ratbench"
"""A signature for another use, such as a commit, is none for RaT-Bench."""

_SECONDS = 30.0
_PATTERN = re.compile(r"[*?!]")  # in names that stand for several people
_LINE = re.compile(r"""("[^"]+"|\S+)\s+(([^\s"]|"[^"]*")+\s+)?[a-z][\w.@-]+\s+AAAA[\w+/]+=*(\s|$)""")


@dataclass(frozen=True)
class Checked:
    """A checked signature. fits: whether it is one of the content; key: the fingerprint of its key.

    signer: the name of the key in the file of signers, "" without one that counts.
    """

    fits: bool
    key: str = ""
    signer: str = ""


def sign(content: bytes, key: Path) -> bytes:
    """Return the signature of `content` with a key; raises ValueError if it cannot be made.

    key: a private key, or a public one whose private key an agent has.
    """
    if not key.is_file():
        raise ValueError(f"no key at {key}; name an SSH key, such as ~/.ssh/id_ed25519")
    with tempfile.TemporaryDirectory(prefix="ratbench-") as folder:
        file = Path(folder, "list")
        file.write_bytes(content)
        ran = _ssh_keygen("sign", "-q", "-f", str(key), str(file), patient=True)
        signature = file.with_name("list.sig")
        if ran.returncode or not signature.is_file():
            raise ValueError(f"{key} does not sign: {_reason(ran)}")
        return signature.read_bytes()


def check(content: bytes, signature: Path, signers: Path) -> Checked:
    """Return whether a file is a signature of `content`, and by whom.

    signers: a file of names and keys, in the format of `allowed_signers` in ssh-keygen(1).
    """
    fits = _ssh_keygen("check-novalidate", "-s", str(signature), content=content)
    if fits.returncode:
        return Checked(fits=False)
    key = re.search(r"key (SHA256:\S+)", _text(fits))
    given = ("-f", str(signers), "-s", str(signature))
    names = _names(signature, signers)
    ran = ((name, _ssh_keygen("verify", *given, "-I", name, content=content)) for name in names)
    signer = next((name for name, each in ran if not each.returncode), "")
    return Checked(fits=True, key=key[1] if key else "unknown", signer=signer)


def check_signers(path: Path) -> None:
    """Raise ValueError unless a file has signers with their keys, and OpenSSH is there to check them."""
    remedy = "give one with lines such as `ada@example.org ssh-ed25519 AAAA…`"
    if not path.is_file():
        raise ValueError(f"no file of signers at {path}; {remedy}")
    lines = path.read_text(errors="replace").splitlines()
    given = {at: line for at, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")}
    if wrong := [at for at, line in given.items() if not _LINE.match(line)]:
        raise ValueError(f"line {wrong[0]} of {path} has no signer with a key; {remedy}")
    if not given:
        raise ValueError(f"{path} has no signer; {remedy}")
    _ssh_keygen("find-principals", "-s", str(path), "-f", str(path))


def _names(signature: Path, signers: Path) -> list[str]:
    """Return the names of a signature's key in a file of signers."""
    ran = _ssh_keygen("find-principals", "-s", str(signature), "-f", str(signers))
    names = [name for line in _text(ran).splitlines() for name in line.split(",")]
    return [name for name in names if name and not _PATTERN.search(name) and not name.startswith("-")]


def _ssh_keygen(
    action: str, *words: str, content: bytes | None = None, patient: bool = False
) -> "subprocess.CompletedProcess[bytes]":
    """Run ssh-keygen. patient: whether it may wait for a passphrase or a touch."""
    command = [
        "ssh-keygen",
        "-Y",
        action,
        *([] if action == "find-principals" else ["-n", NAMESPACE]),
        *words,
    ]
    given = None if patient else content or b""
    limit = None if patient else _SECONDS
    try:
        return subprocess.run(command, input=given, capture_output=True, timeout=limit, check=False)
    except FileNotFoundError:
        raise ValueError("ssh-keygen is not installed; install OpenSSH 8.2 or later") from None
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, b"", b"it did not end in time")


def _text(ran: "subprocess.CompletedProcess[bytes]") -> str:
    return ran.stdout.decode(errors="replace")


def _reason(ran: "subprocess.CompletedProcess[bytes]") -> str:
    lines = ran.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else f"ssh-keygen ended with {ran.returncode}"
