"""Values from the command line: `--set key.key=value`."""

import tomllib
from typing import Any

from suite.core.names import did_you_mean


def apply(table: dict[str, Any], setting: str) -> None:
    """Apply one `--set` to the tables of a grid; raises ValueError."""
    key, equals, text = setting.partition("=")
    *parents, last = key.strip().split(".")
    if not equals or not last:
        raise ValueError(f"--set {setting}: write key.key=value, such as method.rat_bptt.window=40")
    for number, part in enumerate(parents):
        if not isinstance(table.get(part), dict):
            tables = [key for key, value in table.items() if isinstance(value, dict)]
            raise ValueError(f"--set {setting}: unknown key {part!r}; {did_you_mean(part, tables)}")
        table = table[part]
        if number == 1:
            # A value of --set also overrides the exceptions of the grid.
            for exception in table.get("where", []):
                exception.pop(last, None)
    table[last] = toml_value(text)


def toml_value(text: str) -> Any:
    """Return a value given on the command line: TOML, or else a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()
