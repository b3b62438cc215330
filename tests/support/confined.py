"""What came of attempts in a confined process, see `attempts.py`."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("attempts.py")


def tried(place: Path, layers: str, *names: str) -> tuple[list[str], dict[str, str]]:
    """Return the layers in force, and of each attempt why it was refused, "" where it succeeded."""
    command: list[str | Path] = [sys.executable, "-I", SCRIPT, place, layers, *names]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=place)
    answer = json.loads(ran.stdout)
    return answer["layers"], answer["found"]


def succeeded(found: dict[str, str]) -> set[str]:
    return {name for name, refusal in found.items() if not refusal}


NETWORK = ("tcp", "udp", "listen", "unix", "pair")
READING = ("read", "list", "environment", "memory of", "terminal")
OPENING = ("write", "write beside", "write tmp", "overwrite", "append")
CHANGING = ("truncate", "delete", "rename", "folder", "link", "symlink", "pipe")
OTHERS = ("exec", "spawn", "kill", "kill parent", "trace")
"""Attempts by what they would do."""
