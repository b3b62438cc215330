"""SSH keys and files of signers for tests."""

import subprocess
from collections.abc import Mapping
from pathlib import Path


def key(path: Path) -> Path:
    """Make a key without a passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def signers(folder: Path, keys: Mapping[str, Path]) -> Path:
    """Write a file of signers, by name."""
    lines = [
        f'{name} namespaces="ratbench" {" ".join(Path(f"{own}.pub").read_text().split()[:2])}\n'
        for name, own in keys.items()
    ]
    path = folder / "signers"
    path.write_text("".join(lines))
    return path
