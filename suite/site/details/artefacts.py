"""A page for each set, with its file and its picture; and the gallery of all sets."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.board.render import words
from suite.core.files.documents import read_json
from suite.records.cells import canonical_json
from suite.site import paths
from suite.site.details import scores
from suite.site.details.sets import Set
from suite.site.rendering import File, page


@dataclass(frozen=True)
class Card:
    """A set in the gallery. picture: "" if there is none."""

    title: str
    label: str
    page: str
    picture: str
    task: str
    size: int
    seed: int
    name: str
    stretched: bool


def files(each: Set, grids: Mapping[str, Sequence[str]]) -> Iterator[File]:
    """Yield the page of a set, its file with its manifest, and its picture. grids: see `planned`."""
    result = each.result
    yield page(
        each.page,
        "sets/set.html",
        set=each,
        scores=scores.lines(result) if result else [],
        grids=grids.get(canonical_json(result.trial.model_dump(mode="json")), ()) if result else (),
        bits=each.row.costs.bits_per_class,
        settings=words.settings(each.row),
    )
    if each.look.picture:
        yield File(each.picture, each.look.picture)
    if not isinstance(each.artefact, str):
        manifest = {**each.manifest, "loader": each.look.loader}  # not the code of a stranger
        yield File(f"{each.stem}.safetensors", each.artefact.read_bytes())
        yield File(f"{each.stem}.json", json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n")


def card(each: Set) -> Card:
    """Return what the gallery shows of a set."""
    row, task = each.row, each.table.task
    picture = each.picture if each.look.picture else ""
    return Card(
        each.title, row.label, each.page, picture, task, row.size, each.seed, row.name, each.look.stretched
    )


def gallery(cards: Sequence[Card]) -> File:
    """Return the page with the pictures of all sets."""
    groups: dict[tuple[str, int], list[Card]] = {}
    for each in cards:
        groups.setdefault((each.task, each.size), []).append(each)
    return page(paths.GALLERY, "sets/gallery.html", groups=groups)


def planned(stores: Sequence[Path]) -> dict[str, list[str]]:
    """Return the grids of each cell, by its canonical JSON; unreadable plans are left out."""
    found: dict[str, list[str]] = {}
    for path in sorted(path for store in stores for path in (store / "plan").glob("*.json")):
        try:
            cells = [each["cell"] for each in read_json(path)["cells"]]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # of which `suite.board.files.read` warns
        for cell in cells:
            found.setdefault(canonical_json(cell), []).append(path.stem)
    return found
