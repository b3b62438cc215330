"""The atlas as Markdown."""

from suite.board.atlas.rows import Atlas, AtlasRow, Beside
from suite.board.atlas.targets import Target
from suite.board.atlas.verdicts import WIDEST, Verdict
from suite.board.render import words
from suite.board.render.layout import Notes, escaped, markdown_table, noted
from suite.board.reported import Reported

_INTRODUCTION = f"""Accuracies printed in papers, beside ours for the method with its published settings: with
the same images, preprocessing, network and retraining recipe. `ratbench reproduce METHOD TASK IPC` runs one
row.

- **Printed**: test accuracy in percent, with its standard deviation if one is printed, mostly over networks
  retrained on one set. \\*: quoted from another paper's table. Papers often choose the checkpoint on the test
  split; here it is always the last one.
- **Ours**: mean in percent with its 95% interval over sets and networks. **n**: sets × networks.
- **Status**: d ± e is ours minus printed, in points. e combines our 95% interval, widened for few seeds, with
  1.96 × the printed standard deviation. *reproduced*: |d| ≤ e ≤ {WIDEST:g}. *off by*: |d| > e. *undecided*:
  |d| ≤ e, but e > {WIDEST:g}; or ours is a single distillation. *not run*: with the estimated device time of
  one set. *not comparable*: with the reason.
- **Other setting**: ours under the same recipe, but with another network, other images or other settings,
  such as fewer outer steps. Never compared."""


def markdown(atlas: Atlas) -> str:
    """Return the atlas as Markdown: a summary, then a table for each task."""
    tasks = dict.fromkeys(row.printed.entry.task for row in atlas.rows)
    parts = ["# Atlas of reproductions", _INTRODUCTION, _summary(atlas)]
    for task in tasks:
        parts += _section(task, [row for row in atlas.rows if row.printed.entry.task == task])
    return "\n\n".join(parts) + "\n"


def status(row: AtlasRow) -> str:
    """Return the status of a row: its verdict, or why there is none and what it would cost."""
    if row.verdict:
        return _verdict(row.verdict)
    if isinstance(row.printed.target, str):
        return f"not comparable: {row.printed.target}"
    if row.failed:
        return f"not run: {row.failed}"
    if row.cost is None:
        return "not run; cost unknown"
    seconds = f"about {row.cost.seconds:,.0f} device-seconds"
    return f"not run; {seconds} per set on one {row.cost.device}"


def _verdict(found: Verdict) -> str:
    signed = f"{found.difference:+.1f}".replace("-", "−")
    text = signed if found.half_width is None else f"{signed} ± {found.half_width:.1f}"
    if found.word == "off":
        return f"off by {text}"
    return f"{found.word} ({text})" + f": {found.reason}" * bool(found.reason)


def _kind(row: AtlasRow) -> str:
    """Return the word under which a row is counted."""
    if row.verdict:
        return row.verdict.word
    return "not comparable" if isinstance(row.printed.target, str) else "not run"


def _summary(atlas: Atlas) -> str:
    counts = dict.fromkeys(("reproduced", "off", "undecided", "not run", "not comparable"), 0)
    for row in atlas.rows:
        counts[_kind(row)] += 1
    told = ", ".join(f"{count} {word}" for word, count in counts.items())
    return f"{len(atlas.rows)} printed accuracies: {told}."


def _section(task: str, rows: list[AtlasRow]) -> list[str]:
    notes = Notes()
    lines = [_cells(row, notes) for row in rows]
    columns = [name for name in lines[0] if any(line[name] for line in lines)]
    text = markdown_table(
        columns,
        [[line[name] or "–" for name in columns] for line in lines],
        ("method", "network", "recipe", "preprocessing", "status", "other setting %"),
    )
    return [f"## {task}", text, "\n".join(notes.lines())]


def _cells(row: AtlasRow, notes: Notes) -> dict[str, str]:
    printed, entry = row.printed, row.printed.entry
    star = r"\*" if entry.second_hand else ""
    return {
        "method": f"`{escaped(entry.method)}`",
        "images per class": str(printed.ipc or "all"),
        "network": escaped(entry.network),
        "printed %": noted(entry.text(printed.ipc) + star, notes.mark([entry.note])),
        "ours %": words.percent(row.accuracy) if row.accuracy else "",
        "n": words.sample_size(row.accuracy) if row.accuracy else "",
        "recipe": printed.target.recipe if isinstance(printed.target, Target) else "",
        "preprocessing": _preprocessing(entry),
        "status": escaped(status(row)),
        "other setting %": "; ".join(
            noted(words.percent(each.accuracy), notes.mark([_where(each)])) for each in row.beside
        ),
    }


def _preprocessing(entry: Reported) -> str:
    """Return how the printed images are preprocessed; "" if it is not known."""
    names = {None: "", "plain": "plain", "zca": "ZCA", "kornia": "ZCA (kornia)"}
    return names[entry.preprocessing]


def _where(each: Beside) -> str:
    return f"not compared: {each.conditions}"
