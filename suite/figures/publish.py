"""Write a board with the pictures of its sets."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from suite.board import files
from suite.board.dd_ranking import DEFAULT_WEIGHTS, Weights
from suite.board.render import words
from suite.board.tables import Board
from suite.core.sets.part import size_of
from suite.records.store import Store


def publish(
    stores: Sequence[Path],
    target: Path,
    format: files.Format = "md",
    weights: Weights = DEFAULT_WEIGHTS,
    signers: Path | None = None,
    board: Board | None = None,
) -> list[Path]:
    """Write the board of `stores` to `target`; return the paths.

    For Markdown also write plots, and missing pictures of sets whose artefacts are in the stores. signers: a
    file of those whose signatures are shown; board: that of the stores, if it was made.
    """
    board = board or files.load(stores, weights, signers)
    for name, trial, data in files.sets(board) if format == "md" else ():
        for store in map(Store, stores):
            artefact = store.artefact(trial, data=data)
            if store.data_of(artefact) not in (data, ""):
                continue
            if store.trial_of(artefact) != trial:
                warnings.warn(f"{artefact} holds the set of another trial; it is not drawn", stacklevel=2)
            elif not (target.parent / name).is_file():
                try:
                    plot_artefact(artefact, target.parent / name)
                except ValueError as error:
                    warnings.warn(f"{error}; it is not drawn", stacklevel=2)
    return files.write(board, target, format)


def plot_artefact(artefact: Path, target: Path, *, columns: int = 10) -> None:
    """Write a PNG of a synthetic set, below its name; raises ValueError if it cannot be read."""
    # Torch, which a board without new pictures does not wait for.
    from suite.core.sets.artefacts import load_artefact
    from suite.figures.pictures import plot_set, stretched

    synthetic, manifest = load_artefact(artefact)
    pixels, contrast = stretched(synthetic.images, manifest["preprocessing"])
    shown = title(manifest, columns, contrast)
    plot_set(pixels, manifest["class_names"], target, columns=columns, title=shown)


def title(manifest: Mapping[str, Any], columns: int, contrast: str = "") -> str:
    """Return what a set is: its method, task, size and seed; and the contrast of its picture if stretched.

    columns: images of each class that are shown; contrast: what `pictures.stretched` says of it.
    """
    trial, size = manifest.get("trial", {}), size_of(manifest)
    shown = f"the first {columns} of " if (size or 0) > columns else ""
    facts = [
        str(manifest.get("label", "synthetic set")),
        str(trial.get("task", "")),
        f"{shown}{words.size(size)}" if size else "",
        f"seed {trial['seed']}" if "seed" in trial else "",
    ]
    told = f". {contrast.partition(';')[0]}" if contrast.startswith("Contrast is stretched") else ""
    return ", ".join(filter(None, facts)) + told
