"""Which Parquet and Arrow files of a Hugging Face dataset hold which configuration and split.

A dataset's card (the header of README.md) says it, or else the names of the files and folders:
`data/train-00000-of-00001.parquet`, `full_size/validation/0000.parquet`, `cifar10-train.arrow`, or the
folders that `save_to_disk` writes.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from suite.core.data.reading.hf_card import CARD, DEFAULT

_ENDINGS = (".parquet", ".arrow")
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})(-[0-9a-f]+)?$")
_COUNTED = re.compile(r"(?:^|[/._-])(\d+)$")
_YEAR = 1900  # numbers from here are years or dates, not those of parts
_SAME = {
    "train": {"train", "training"},
    "test": {"test", "testing", "eval", "evaluation"},
    "validation": {"validation", "valid", "val", "dev"},
}


@dataclass(frozen=True)
class Layout:
    """Relative paths for each configuration and split. declared: whether the card says so."""

    files: Mapping[str, Mapping[str, Sequence[str]]]
    declared: bool = False


@dataclass(frozen=True)
class Splits:
    """The chosen splits: configuration, names and relative paths.

    said: what was chosen without being asked for, or "".
    """

    config: str
    train: str
    test: str
    files: Mapping[str, tuple[str, ...]]
    said: str = ""


def local_files(root: Path) -> list[str]:
    """Return the Parquet and Arrow files below `root`, relative, without hidden ones.

    In a folder that `save_to_disk` wrote, only the files that its state.json lists.
    """
    found = []
    for path in sorted(path for ending in _ENDINGS for path in root.rglob(f"*{ending}")):
        relative = path.relative_to(root)
        if any(part.startswith(".") for part in relative.parts):
            continue
        if path.is_symlink() and not path.exists():
            raise ValueError(
                f"{path} is a link to {path.readlink()}, which does not exist; mend or remove it"
            )
        if path.is_file():
            found.append(relative.as_posix())
    for state in root.rglob("state.json"):
        try:
            listed = {entry["filename"] for entry in json.loads(state.read_text())["_data_files"]}
        except (ValueError, KeyError, TypeError):
            continue  # another program's state.json
        folder = state.parent.relative_to(root).as_posix()
        inside = [path for path in found if PurePosixPath(path).parent.as_posix() == folder]
        found = [path for path in found if path not in inside or PurePosixPath(path).name in listed]
    return found


def layout(paths: Iterable[str], card: Mapping[str, Any]) -> Layout:
    """Return the files of each configuration and split, by the card, or else by their names."""
    paths = [path for path in paths if path.endswith(_ENDINGS)]
    if declared := _declared(paths, card):
        return Layout(declared, declared=True)
    found: dict[str, dict[str, list[str]]] = {}
    for path in paths:
        configuration, split = _place(path)
        found.setdefault(configuration, {}).setdefault(split, []).append(path)
    return Layout(found)


def choose(where: str, found: Layout, config: str | None, train: str | None, test: str | None) -> Splits:
    """Return the two splits of a dataset; without a test split, its validation split is taken and it is said.

    config, train, test: names that were asked for. Raises ValueError where a choice is not clear.
    """
    config = _configuration(where, found.files, config)
    splits = found.files[config]
    taken_train = _split(where, splits, train or "train")
    if taken_train is None:
        raise ValueError(f"{where} has no split {train or 'train'!r}; {_remedy(splits, 'train')}")
    taken_test, said = _split(where, splits, test or "test"), ""
    if taken_test is None and test is None:
        taken_test = _split(where, splits, "validation")
        said = f"no split 'test': {taken_test!r} is used; append ?test=NAME for another"
    if taken_test is None:
        raise ValueError(f"{where} has no split {test or 'test'!r}; {_remedy(splits, 'test')}")
    if taken_test == taken_train:
        raise ValueError(f"{where}: {taken_train!r} cannot be train and test; append ?test=NAME")
    files = {name: tuple(splits[name]) for name in (taken_train, taken_test)}
    if shared := set(files[taken_train]) & set(files[taken_test]):
        raise ValueError(f"{where}: {min(shared)} is in {taken_train} and in {taken_test}")
    for name, paths in files.items():
        if not found.declared:
            _refuse_mixture(where, name, paths)
        _refuse_gaps(where, name, paths)
    return Splits(config, taken_train, taken_test, files, said)


def _declared(paths: Sequence[str], card: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Return what the card's `configs` declare of `paths`; {} if it declares nothing of them."""
    found: dict[str, dict[str, list[str]]] = {}
    for entry in card.get("configs") or ():
        for split, patterns in _patterns(entry.get("data_files")).items():
            matched = [path for path in paths if any(_matches(path, pattern) for pattern in patterns)]
            if matched:
                name = str(entry.get("config_name", DEFAULT))
                found.setdefault(name, {})[split] = matched
    return found


def _patterns(declared: Any) -> dict[str, list[str]]:
    """Return the patterns of each split: a card lists {split, path}, or maps splits, or has train alone."""
    if isinstance(declared, list) and all(isinstance(each, dict) for each in declared):
        declared = {each.get("split", "train"): each.get("path", ()) for each in declared}
    if not isinstance(declared, dict):
        declared = {"train": declared or ()}
    return {
        str(split): [paths] if isinstance(paths, str) else list(paths) for split, paths in declared.items()
    }


def _matches(path: str, pattern: str) -> bool:
    return fnmatch(path, pattern.replace("**/", "*").removeprefix("./"))


def _place(path: str) -> tuple[str, str]:
    """Return configuration and split by a file's name, or by the nearest folder that is called as a split."""
    *folders, file = PurePosixPath(path).parts
    split = _SHARD.sub("", file.rpartition(".")[0])
    if not _kinds(split):
        named = [index for index, folder in enumerate(folders) if _kinds(folder)]
        if named:
            split = folders.pop(named[-1])
    configuration = "/".join(folder for folder in folders if folder != "data")
    return configuration or DEFAULT, split


def _kinds(name: str) -> set[str]:
    """Return the splits as which a name can be understood: {"train"} for `partial-train`."""
    words = set(re.split(r"[^a-z]+", name.lower()))
    return {kind for kind, same in _SAME.items() if same & words}


def _configuration(where: str, found: Mapping[str, object], wanted: str | None) -> str:
    """Return the name of the configuration: `wanted`, or the only one."""
    if not found:
        raise ValueError(f"{where} has no Parquet or Arrow files; a folder of images is a task folder:/path")
    names = ", ".join(sorted(found))
    if wanted is None and len(found) > 1:
        first = min(found)
        raise ValueError(f"{where} has the configurations {names}; append ?config={first} (say)")
    if wanted is not None and wanted not in found:
        raise ValueError(f"{where} has no configuration {wanted!r}; it has {names}")
    return wanted if wanted is not None else names


def _split(where: str, splits: Mapping[str, Sequence[str]], wanted: str) -> str | None:
    """Return the name of the split that is called `wanted`, or means it; None without one."""
    if wanted in splits:
        return wanted
    kind = next((kind for kind, same in _SAME.items() if wanted.lower() in same), None)
    if kind is None:
        return None
    called = [name for name in splits if name.lower() in _SAME[kind]]
    named = called or [name for name in splits if _kinds(name) == {kind}]
    if len(named) > 1:
        raise ValueError(f"{where}: {' and '.join(sorted(named))} could each be {kind}; append ?{kind}=NAME")
    return named[0] if named else None


def _remedy(splits: Mapping[str, Sequence[str]], role: str) -> str:
    names = ", ".join(sorted(splits))
    if len(splits) == 1:
        return f"its only split is {names}: divide it (datasets' train_test_split) and save both parts"
    return f"it has {names}: append ?{role}=NAME"


def _refuse_mixture(where: str, split: str, paths: Sequence[str]) -> None:
    """Refuse a split whose files no card joins and whose places or endings differ: it may be there twice."""
    kinds = dict[tuple[str, str, bool], str]()
    for path in map(PurePosixPath, paths):
        kind = (path.parent.as_posix(), path.suffix, _part(path.as_posix()) is not None)
        kinds.setdefault(kind, path.as_posix())
    if len(kinds) > 1:
        one, other, *_ = kinds.values()
        raise ValueError(
            f"{where}: {one} and {other} could each be all of {split}; remove one, or declare the files in "
            f"the configs of {CARD}"
        )


def _refuse_gaps(where: str, split: str, paths: Sequence[str]) -> None:
    """Refuse a split with missing shards, with a shard twice, or with shards of two versions."""
    shards = [match for path in paths if (match := _SHARD.search(path.rpartition(".")[0]))]
    totals = {int(match[2]) for match in shards}
    if len(totals) > 1:
        raise ValueError(
            f"{where}: {split} has files of {' and of '.join(map(str, sorted(totals)))} parts; "
            "remove those of the older version"
        )
    lacking = sorted(set(range(max(totals, default=0))) - {int(match[1]) for match in shards})
    if lacking:
        raise ValueError(f"{where}: {split} lacks part {lacking[0]} of {max(totals)}; fetch it again")
    counted: dict[str, list[str]] = {}
    for path in paths:
        if part := _part(path):
            counted.setdefault(path[: part.start(1)], []).append(part[1])
    for prefix, parts in counted.items():
        _refuse_uncounted(f"{where}: {split}", prefix, parts)


def _refuse_uncounted(where: str, prefix: str, parts: list[str]) -> None:
    """Refuse numbers of parts with a gap or a double; the hub counts `train/0000.parquet` from 0."""
    numbers, bare = sorted(map(int, parts)), prefix.endswith("/")
    if numbers[0] >= _YEAR or (len(parts) == 1 and not bare):  # such as `cifar-10.parquet`
        return
    hub = bare and all(len(part) == 4 for part in parts)
    for expected, number in enumerate(numbers, start=0 if hub else min(1, numbers[0])):
        if number < expected:
            raise ValueError(f"{where} has two files of part {number} ({prefix}…); remove one")
        if number > expected:
            raise ValueError(
                f"{where} lacks part {expected} ({prefix}…); fetch it, or rename the files if none is missing"
            )


def _part(path: str) -> re.Match[str] | None:
    """Return the match whose first group is the number of a part, if the name of the file ends with one."""
    return _SHARD.search(path.rpartition(".")[0]) or _COUNTED.search(path.rpartition(".")[0])
