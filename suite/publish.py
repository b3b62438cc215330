"""From stores to files: the board, its plots, and the pictures it links to."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.table import Table

from suite import leaderboard, pictures
from suite.board import DEFAULT_WEIGHTS
from suite.core import cache
from suite.core.datasets import data_folder
from suite.core.preprocessing import restore
from suite.leaderboard import Board
from suite.robustness import Weights
from suite.store import load_artefact

Format = Literal["md", "csv", "json"]
REPORTED = "reported.toml"


def text(stores: Sequence[Path], format: Format, weights: Weights = DEFAULT_WEIGHTS) -> str:
    """Return the board of `stores` as text, without plots and pictures."""
    return leaderboard.render(_board(stores, weights), format)


def terminal(stores: Sequence[Path]) -> list[Table]:
    """Return the board of `stores` as tables for a terminal."""
    return leaderboard.terminal(_board(stores))


def write(
    stores: Sequence[Path], target: Path, format: Format, weights: Weights = DEFAULT_WEIGHTS
) -> list[Path]:
    """Write the board to `target`; beside Markdown its plots and pictures. Return the paths."""
    board = _board(stores, weights)
    if format == "md":
        _draw_missing(board, stores, target.parent)
    return leaderboard.write(board, target, format)


def difference(
    stores: Sequence[Path], target: Path, format: Format, weights: Weights = DEFAULT_WEIGHTS
) -> str:
    """Return how the file at `target` differs from what the records give; empty if it doesn't."""
    return leaderboard.check(_board(stores, weights), target, format)


def draw_artefact(artefact: Path, target: Path, *, columns: int = 10) -> None:
    """Write a PNG of a synthetic set; raises ValueError where it cannot be read."""
    synthetic, manifest = load_artefact(artefact)
    folder = cache.usable_folder(data_folder())
    images = restore(manifest["preprocessing"], folder).invert(synthetic.images.flatten(0, 1))
    shaped = images.reshape(synthetic.images.shape)
    target.parent.mkdir(parents=True, exist_ok=True)
    pictures.draw(shaped, manifest["class_names"], target, columns=columns)


def _board(stores: Sequence[Path], weights: Weights = DEFAULT_WEIGHTS) -> Board:
    found = leaderboard.read(stores)
    # A store may bring its own figures from papers; the repository's stand beside its results.
    sources = [folder / REPORTED for folder in (*stores, Path("results")) if (folder / REPORTED).is_file()]
    reported = leaderboard.reported(sources[0]) if sources else ()
    board = leaderboard.board(
        found.records, planned=found.planned, reported=reported, warnings=found.warnings, weights=weights
    )
    for warning in board.warnings:
        warnings.warn(warning, stacklevel=2)
    return board


def _draw_missing(board: Board, stores: Sequence[Path], folder: Path) -> None:
    """Draw the pictures that the board links to and whose artefacts are at hand."""
    for name, trial in leaderboard.pictures(board).items():
        for store in stores:
            artefact = store / "artefacts" / f"{trial}.safetensors"
            if artefact.is_file() and not (folder / name).is_file():
                draw_artefact(artefact, folder / name)
