"""What the labels of a foreign set mean: numbers as targets, and its classes as the task's."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from suite.core.data import tasks
from suite.core.data.catalogue import CATALOGUE
from suite.core.data.reading.folders import named
from suite.core.names import HOLDOUT
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Task
from suite.external import Kind as Kind
from suite.external.writers.class_folders import class_folders

_SUM = 0.02  # by which a row of probabilities may miss 1: labels may be float16
_SHOWN = 4


def as_targets(synthetic: SyntheticSet, kind: Kind) -> tuple[SyntheticSet, list[str]]:
    """Return the set with its labels, which are of `kind`, as targets; and what was done to them.

    Raises ValueError for labels that are not of this kind.
    """
    labels, classes = synthetic.labels, synthetic.classes
    low, sums = labels.min().item(), labels.sum(-1)
    if synthetic.hard:
        if kind not in ("probabilities", "weights"):
            raise ValueError(f"the labels are classes, or one-hot: they are no {kind}; leave --labels out")
        return synthetic, []
    if kind == "logits":
        if low >= 0 and (sums - 1).abs().max() <= _SUM:
            raise ValueError("the labels are probabilities: their rows sum to 1; leave --labels logits out")
        return replace(synthetic, labels=labels.softmax(-1)), ["labels: the softmax of logits"]
    if kind.startswith("centred"):
        scale = (classes / 10) ** 0.5 if kind == "centred-scaled" else 1.0
        if sums.mean().abs() > 0.5:
            raise ValueError(
                f"the labels are not centred: their rows sum to {sums.mean().item():.2f} on average, not to "
                f"0; leave --labels {kind} out"
            )
        return _restored(synthetic, labels * scale + 1 / classes)
    if low < 0:
        raise ValueError(
            f"the labels have negative entries, down to {low:.3g}: they are no {kind}; say --labels logits, "
            "--labels centred (targets minus 1 / classes) or --labels centred-scaled (FRePo's)"
        )
    if not (sums > 0).all():
        empty = int((sums <= 0).sum())
        raise ValueError(f"{empty} labels have no entry above 0; targets are weights of classes")
    if kind == "probabilities" and (off := (sums - 1).abs().max().item()) > _SUM:
        raise ValueError(
            f"the labels are no probabilities: rows sum to between {sums.min().item():.3g} and "
            f"{sums.max().item():.3g} (off by {off:.2g}); say --labels weights to use them as they are, or "
            "--labels logits"
        )
    return synthetic, ["labels: learned targets, used as they are"]


def _restored(synthetic: SyntheticSet, targets: Tensor) -> tuple[SyntheticSet, list[str]]:
    below = int((targets < 0).sum())
    if (targets.clamp(min=0).sum(-1) == 0).any():
        raise ValueError("a label has no entry above 0 after centring is undone; is --labels right?")
    done = "labels: centred targets, moved back by 1 / classes"
    if below:
        done += (
            f"; {below} of {targets.numel()} are below 0, down to {targets.min().item():.2g}, and become 0"
        )
    hard = torch.eye(synthetic.classes)[:, None].expand_as(targets)
    exact = torch.where(((targets - hard).abs() < 1e-6).all(-1, keepdim=True), hard, targets.clamp(min=0))
    return replace(synthetic, labels=exact), [done]


def as_the_tasks(synthetic: SyntheticSet, names: Sequence[str], task: Task) -> tuple[SyntheticSet, list[str]]:
    """Return the set with its classes in the task's order, found by their names; and what was done.

    names: of the set's classes in its order. Raises ValueError if they are not the task's classes.
    """
    if not names:
        return synthetic, ["classes: the set has no names, its numbers are taken as the task's"]
    order = order_of(names, task.class_names, words_of(task.name))
    if order is None:
        odd = [name for name in names if _key(name) not in set(map(_key, task.class_names))]
        raise ValueError(
            f"the set's {len(names)} classes ({_listed(odd or names)}) are not the task's "
            f"{synthetic.classes} ({_listed(task.class_names)}); rename them, or say --trust-labels to take "
            f"class number 0 as {_text(task.class_names[0])} and so on"
        )
    if order == list(range(len(order))):
        return synthetic, ["classes: in the task's order, by their names"]
    if synthetic.parametrisation is not None:
        raise ValueError("the classes of this factorised set are in another order than the task's; decode it")
    at = torch.tensor(order).argsort()
    moved = replace(synthetic, images=synthetic.images[at], labels=synthetic.labels[at][..., at])
    return moved, [f"classes: put into the task's order by their names ({_listed(names)} in the set)"]


def order_of(names: Sequence[str], known: Sequence[str], words: Path | None = None) -> list[int] | None:
    """Return the number in `known` of each of `names`; None unless every class has exactly one name.

    Names are compared as written, after Unicode's composition (NFC); if they differ, without case; then with
    `_`, `-`, `/` and blanks alike, as folders cannot have all of them. A looser comparison counts only if it
    leaves all names different. Then they are compared with the folders that an export of these classes has,
    and WordNet ids by the task's words.txt. Plain numbers from 0 are taken as they are, unless `known` has
    one of them. words: that file.
    """
    if list(map(_key, names)) == list(map(_key, known)):  # even if two classes share a name
        return list(range(len(known)))
    for key in (_key, lambda name: _key(name).casefold(), _separated):
        if order := _matched(list(map(key, names)), list(map(key, known))):
            return order
    if order := _matched(list(map(_key, names)), list(map(_key, class_folders(known)))):
        return order
    if words:
        ids = sorted(set(names))  # as the task's classes are ordered
        if named(ids, words) == tuple(known):
            return [ids.index(name) for name in names]
    if set(names) & set(known):
        return None  # these numbers are names
    numbers = [int(name) if re.fullmatch("[0-9]{1,6}", name) else -1 for name in names]
    return numbers if sorted(numbers) == list(range(len(known))) else None


def words_of(task: str) -> Path | None:
    """Return the words.txt in a task's folder, which has the words of WordNet ids; None without one."""
    name = task.removesuffix(HOLDOUT)
    if name.startswith("folder:"):
        folders = [Path(name.removeprefix("folder:").partition("?")[0]).expanduser()]
    else:
        info = CATALOGUE.get(name)
        folders = [tasks.data_folder() / each for each in info.folders] if info else []
    return next((file for folder in folders if (file := folder / "words.txt").is_file()), None)


def _matched(names: Sequence[str], known: Sequence[str]) -> list[int] | None:
    place = {name: number for number, name in enumerate(known)}
    if not len(names) == len(known) == len(place) == len(set(names)) or set(names) != set(place):
        return None
    return [place[name] for name in names]


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def _separated(name: str) -> str:
    return re.sub(r"[\s_/-]+", " ", _key(name).casefold()).strip()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_text, names[:_SHOWN])) + ", …" * (len(names) > _SHOWN)


def _text(name: str) -> str:
    """Return a name from a file, fit for one line."""
    return repr("".join(each for each in name[:40] if each.isprintable()))
