"""From stores to files: the board, its plots, and the pictures it links to."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.table import Table

from suite.board import files
from suite.board.files import Board
from suite.board.statistics.robustness import Weights
from suite.board.tables import DEFAULT_WEIGHTS
from suite.core.data import cache
from suite.core.data.preprocessing import restore
from suite.core.data.tasks import data_folder
from suite.core.sets.artefacts import load_artefact
from suite.figures import pictures

Format = Literal["md", "csv", "json"]
REPORTED = "reported.toml"


def text(stores: Sequence[Path], format: Format, weights: Weights = DEFAULT_WEIGHTS) -> str:
    """Return the board of `stores` as text, without plots and pictures."""
    return files.render(_board(stores, weights), format)


def terminal(stores: Sequence[Path]) -> list[Table]:
    """Return the board of `stores` as tables for a terminal."""
    return files.terminal(_board(stores))


def write(
    stores: Sequence[Path], target: Path, format: Format, weights: Weights = DEFAULT_WEIGHTS
) -> list[Path]:
    """Write the board to `target`; beside Markdown its plots and pictures. Return the paths."""
    board = _board(stores, weights)
    if format == "md":
        _draw_missing(board, stores, target.parent)
    return files.write(board, target, format)


def difference(
    stores: Sequence[Path], target: Path, format: Format, weights: Weights = DEFAULT_WEIGHTS
) -> str:
    """Return how the file at `target` differs from what the records give; empty if it doesn't."""
    return files.check(_board(stores, weights), target, format)


def draw_artefact(artefact: Path, target: Path, *, columns: int = 10) -> None:
    """Write a PNG of a synthetic set; raises ValueError where it cannot be read."""
    synthetic, manifest = load_artefact(artefact)
    folder = cache.usable_folder(data_folder())
    images = restore(manifest["preprocessing"], folder).invert(synthetic.images.flatten(0, 1))
    shaped = images.reshape(synthetic.images.shape)
    target.parent.mkdir(parents=True, exist_ok=True)
    pictures.draw_set(shaped, manifest["class_names"], target, columns=columns)


def _board(stores: Sequence[Path], weights: Weights = DEFAULT_WEIGHTS) -> Board:
    found = files.read(stores)
    # A store may bring its own figures from papers; the repository's stand beside its results.
    sources = [folder / REPORTED for folder in (*stores, Path("results")) if (folder / REPORTED).is_file()]
    reported = files.reported(sources[0]) if sources else ()
    board = files.board(
        found.records, planned=found.planned, reported=reported, warnings=found.warnings, weights=weights
    )
    for warning in board.warnings:
        warnings.warn(warning, stacklevel=2)
    return board


def _draw_missing(board: Board, stores: Sequence[Path], folder: Path) -> None:
    """Draw the pictures that the board links to and whose artefacts are at hand."""
    for name, trial in files.pictures(board).items():
        for store in stores:
            artefact = store / "artefacts" / f"{trial}.safetensors"
            if artefact.is_file() and not (folder / name).is_file():
                draw_artefact(artefact, folder / name)
