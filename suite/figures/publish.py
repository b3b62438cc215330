"""Write a board with the pictures of its sets."""

from collections.abc import Sequence
from pathlib import Path

from suite.board import files
from suite.board.dd_ranking import DEFAULT_WEIGHTS, Weights
from suite.core.data.tasks import to_pixels
from suite.core.sets.artefacts import load_artefact
from suite.figures.pictures import plot_set


def publish(
    stores: Sequence[Path], target: Path, format: files.Format = "md", weights: Weights = DEFAULT_WEIGHTS
) -> list[Path]:
    """Write the board of `stores` to `target`; return the paths.

    Beside Markdown it writes plots, and the missing pictures of sets whose artefacts are in the stores.
    """
    board = files.load(stores, weights)
    for name, trial in files.pictures(board).items() if format == "md" else ():
        for store in stores:
            artefact = store / "artefacts" / f"{trial}.safetensors"
            if artefact.is_file() and not (target.parent / name).is_file():
                plot_artefact(artefact, target.parent / name)
    return files.write(board, target, format)


def plot_artefact(artefact: Path, target: Path, *, columns: int = 10) -> None:
    """Write a PNG of a synthetic set; raises ValueError where it cannot be read."""
    synthetic, manifest = load_artefact(artefact)
    pixels = to_pixels(synthetic.images, manifest["preprocessing"])
    plot_set(pixels, manifest["class_names"], target, columns=columns)
