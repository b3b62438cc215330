"""The text of a manifest, with a seal by which damage is known; it needs no torch."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SEAL = "seal"
"""The field with the sha256 of the others, as canonical JSON."""


def to_json(facts: Mapping[str, Any]) -> str:
    """Return a manifest as sealed, indented JSON."""
    rest = {name: value for name, value in facts.items() if name != SEAL}
    return json.dumps({**rest, SEAL: _seal(rest)}, indent=1, sort_keys=True) + "\n"


def check(facts: Mapping[str, Any]) -> None:
    """Raise ValueError for a manifest that was changed after it was sealed; earlier releases sealed none."""
    rest = {name: value for name, value in facts.items() if name != SEAL}
    if SEAL in facts and facts[SEAL] != _seal(rest):
        raise ValueError("the manifest does not match its seal")


def _seal(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
