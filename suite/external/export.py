"""Export an artefact: a Hugging Face dataset, pictures in folders, MTT's pair of tensors."""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from suite.core.data.atomic_write import write_bytes
from suite.core.data.tasks import to_pixels
from suite.core.sets.artefacts import load_artefact
from suite.core.sets.manifest import loader
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet
from suite.external.locate import EXACT, locate

Format = Literal["hf", "folder", "pt"]


def export(artefact: Path, format: Format, output: Path) -> list[str]:
    """Write the set at `artefact` into the folder `output`; return remarks on the export.

    hf: `datasets.load_from_disk` reads it; folder: PNGs in a folder per class, named by its number;
    pt: images_best.pt, labels_best.pt and lr_best.pt, preprocessed, bit for bit. A factorised set is decoded.
    Beside them lies the artefact itself, exact.safetensors, with the fields that the format has no place for;
    `ratbench evaluate` reads it as long as the other files are unchanged. Raises ValueError if `output` is
    not empty, the artefact is damaged, or the format cannot have its class names.
    """
    synthetic, manifest = load_artefact(artefact)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f"{output} exists; choose a new or an empty folder")
    names = manifest["class_names"]
    if format == "hf" and (twice := [name for name in names if names.count(name) > 1]):
        raise ValueError(
            f"two classes are called {twice[0]!r}, which a Hugging Face dataset cannot have; choose "
            "--format pt or folder"
        )
    output.mkdir(parents=True, exist_ok=True)
    if format == "pt":
        _write_tensors(synthetic, output)
    else:
        pixels = (to_pixels(synthetic.images, manifest["preprocessing"]) * 255).round().to(torch.uint8)
        if format == "folder":
            _write_folder(pixels, output)
        else:
            _write_dataset(pixels, synthetic, names, output)
    _write_exact(artefact, synthetic, manifest, output)
    return list(_remarks(synthetic, manifest, format))


def _write_exact(artefact: Path, synthetic: SyntheticSet, manifest: dict[str, Any], output: Path) -> None:
    """Copy the artefact; its manifest says which files it was exported with."""
    exported = {"exported": locate(output).sha256(), "loader": loader(EXACT, synthetic.parametrisation)}
    shutil.copyfile(artefact, output / EXACT)
    text = json.dumps({**manifest, **exported}, indent=1, sort_keys=True) + "\n"
    write_bytes((output / EXACT).with_suffix(".json"), text.encode())


def _write_tensors(synthetic: SyntheticSet, output: Path) -> None:
    images, targets = synthetic.flat()
    labels = targets.argmax(1) if synthetic.hard else targets
    torch.save(images.contiguous(), output / "images_best.pt")
    torch.save(labels.contiguous(), output / "labels_best.pt")
    if synthetic.lr is not None:
        torch.save(synthetic.lr, output / "lr_best.pt")


def _write_folder(pixels: Tensor, output: Path) -> None:
    width = len(str(len(pixels) - 1))
    for label, images in enumerate(pixels):
        folder = output / f"{label:0{width}}"
        folder.mkdir()
        for number, image in enumerate(images):
            (folder / f"{number:04}.png").write_bytes(_png(image))


def _write_dataset(pixels: Tensor, synthetic: SyntheticSet, names: list[str], output: Path) -> None:
    import datasets  # type: ignore[import-untyped]

    labels = [label for label in range(len(pixels)) for _ in range(pixels.shape[1])]
    columns: dict[str, list[object]] = {
        "image": [{"bytes": _png(image), "path": None} for image in pixels.flatten(0, 1)],
        "label": [*labels],
    }
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=names)}
    if not synthetic.hard:
        columns["target"] = synthetic.flat()[1].tolist()
        features["target"] = datasets.List(datasets.Value("float32"))
    made = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
    progress = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    made.save_to_disk(output)
    if progress:
        datasets.enable_progress_bars()


def _png(image: Tensor) -> bytes:
    """Return an image (channels, height, width) of bytes, of one or three channels, as PNG."""
    array = image.permute(1, 2, 0).contiguous().numpy()
    file = io.BytesIO()
    Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).save(file, format="PNG")
    return file.getvalue()


def _decoded(synthetic: SyntheticSet) -> Iterator[str]:
    if synthetic.parametrisation is not None:
        yield (
            f"these are the {synthetic.ipc} images per class that a {synthetic.parametrisation.kind} code of "
            f"{synthetic.parametrisation.nbytes} bytes decodes to"
        )


def _remarks(synthetic: SyntheticSet, manifest: dict[str, Any], format: Format) -> Iterator[str]:
    yield from _decoded(synthetic)
    apart = []  # the fields that are in the artefact alone
    if format == "pt":
        yield "preprocessed as the artefact's task: evaluate it with --preprocessing task"
    else:
        yield f"pictures have 8 bits and are clipped to [0, 1]; the exact tensors are in {EXACT}"
        if manifest["preprocessing"]["kind"] != "normalise":
            yield "pictures of whitened images lose their brightness and contrast"
        if not synthetic.hard:
            own = (
                "`label` is the class, `target` the learned label"
                if format == "hf"
                else "folders are classes"
            )
            yield f"the labels are learned: {own}; they are in {EXACT}, too"
        apart += ["the learned rate"] * (synthetic.lr is not None)
    apart += ["the minibatch"] * (synthetic.minibatch != Minibatch())
    if apart:
        yield f"{' and '.join(apart)} cannot be said in this format and is in {EXACT} and exact.json"
