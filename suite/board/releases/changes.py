"""What changed between two releases: rows, accuracies beyond their intervals, ranks, and what made them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from suite.board.releases.frozen import Frozen
from suite.board.render.layout import code, markdown_table

_KEY = ("evaluator", "task", "ipc", "network", "conditions", "name")
_DERIVED = ("behind",)  # follows from the accuracies of two rows

Row = Mapping[str, Any]
Key = tuple[str, ...]  # evaluator, task, ipc, network, conditions, name
Rows = Mapping[Key, Row]


def changes(name: str, manifest: Mapping[str, Any], rows: Sequence[Row], last: Frozen | None) -> str:
    """Return the changes of release `name` since the last one as Markdown.

    A score changed if one of the two means lies outside the interval of the other.
    """
    if last is None:
        return f"# Release {name}\n\nThe first release.\n"
    former = str(last.manifest.get("release"))
    parts = [f"# Changes from {former} to {name}", *_section("Code", list(_made(last.manifest, manifest)))]
    if last.manifest.get("protocol") != manifest["protocol"]:
        parts.append("The two releases have different protocols, so rows are not compared.")
    else:
        parts += _compared(_by_key(last.rows), _by_key(rows))
    if len(parts) == 1:
        parts.append("Nothing changed.")
    return "\n\n".join(parts) + "\n"


def _made(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each fact about the code, recipes and versions that differs."""
    for key in ("protocol", "version", "weights"):
        if old.get(key) != new[key]:
            yield f"{key}: {_code(old.get(key))} → {_code(new[key])}"
    for key in ("recipes", "versions", "commits"):
        was, now = set(old.get(key) or ()), set(new[key])
        added = [f"new {_code(each)}" for each in sorted(now - was)]
        gone = [f"removed {_code(each)}" for each in sorted(was - now)]
        if added or gone:
            yield f"{key}: {', '.join([*added, *gone])}"


def _compared(old: Rows, new: Rows) -> list[str]:
    both = [key for key in new if key in old]
    scores = [line for key in both for line in _scores(key, old[key], new[key])]
    ranks = [
        [*_shown(key), _rank(old[key]), _rank(new[key])] for key in both if _rank(old[key]) != _rank(new[key])
    ]
    heads = ("evaluator", "task", "ipc", "network", "method")
    return [
        *_section("New rows", [_told(key, new[key]) for key in new if key not in old]),
        *_section("Removed rows", [_told(key, old[key]) for key in old if key not in new]),
        *_table("Scores that changed beyond their interval", [*heads, "score", "before", "now"], scores),
        *_table("Ranks that changed", [*heads, "before", "now"], ranks),
    ]


def _scores(key: Key, old: Row, new: Row) -> Iterator[list[str]]:
    names = [name for name in new if f"{name}_low" in new and name not in _DERIVED]
    for name in names:
        was, now = _interval(old, name), _interval(new, name)
        if _moved(was, now):
            yield [*_shown(key), _code(name), _text(was), _text(now)]


def _moved(was: Sequence[float] | None, now: Sequence[float] | None) -> bool:
    if was is None or now is None:
        return was is not now
    return not (was[1] <= now[0] <= was[2] and now[1] <= was[0] <= now[2])


def _interval(row: Row, name: str) -> tuple[float, float, float] | None:
    values = [row.get(f"{name}{end}") for end in ("", "_low", "_high")]
    mean, low, high = values
    if mean is None:
        return None
    return float(mean), float(mean if low is None else low), float(mean if high is None else high)


def _text(found: Sequence[float] | None) -> str:
    return "–" if found is None else f"{found[0]:.4f} [{found[1]:.4f}, {found[2]:.4f}]"


def _rank(row: Row) -> str:
    rank = row.get("rank")
    return str(rank) if rank is not None else str(row.get("state") or "not ranked")


def _told(key: Key, row: Row) -> str:
    found = _interval(row, "accuracy")
    return ", ".join(filter(None, [*_shown(key), f"accuracy {_text(found)}" if found else ""]))


def _shown(key: Key) -> list[str]:
    evaluator, task, ipc, network, conditions, name = key
    where = " ".join(filter(None, [network, conditions]))
    return [_code(evaluator), _code(task), ipc, _code(where), _code(name)]


def _by_key(rows: Sequence[Row]) -> Rows:
    return {tuple(str(row.get(field, "")) for field in _KEY): row for row in rows}


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "\n".join(f"- {line}" for line in lines)] if lines else []


def _table(title: str, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    left = ("evaluator", "task", "network", "method", "score")
    return [f"## {title}", markdown_table(heads, lines, left)] if lines else []


def _code(value: object) -> str:
    return code(str(value)) if value else "–"
