"""Export an artefact: a Hugging Face dataset, pictures, MTT's tensors, or itself; and push it to the hub."""

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from suite.core.files.atomic_write import make_folder, move, read_bytes, write_bytes
from suite.core.sets import sealing
from suite.core.sets.artefacts import load_artefact, write_artefact
from suite.core.sets.manifest import loader
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet
from suite.external.locate import EXACT, locate
from suite.external.writers.card import Exported, Format, card
from suite.external.writers.class_folders import write_folders
from suite.external.writers.hub import Repository
from suite.external.writers.measured import measured
from suite.external.writers.parquet import write_parquet
from suite.external.writers.pictures import as_bytes, difference
from suite.external.writers.shared import shared_trial

CARD = "README.md"


def export(
    artefact: Path,
    format: Format,
    output: Path,
    *,
    push: Repository | None = None,
    bits: int | None = None,
) -> list[str]:
    """Write the set at `artefact` into the folder `output`; return remarks on the export.

    hf: a Parquet file, which `datasets.load_dataset` reads; folder: PNGs in a folder per class, called as
    `class_folders` says; pt: images_best.pt, labels_best.pt and the learned rate as lr_best.pt and lr.pt,
    preprocessed, bit for bit; safetensors: nothing more. These have the images that a factorised set decodes
    to. Beside them lie a card, README.md, with code that loads them, and the artefact itself,
    exact.safetensors, with the fields that the format has no place for; `ratbench evaluate` reads it as long
    as the other files are unchanged. push: where the dataset goes.
    bits: 8, 4 or 2 to quantise the set first; exact.safetensors then holds the quantised one.

    Raises ValueError if `output` is not empty, the artefact is damaged or cannot be quantised, the format
    cannot have its class names, or the hub refuses it; then nothing is written.
    """
    synthetic, manifest = load_artefact(artefact)
    said = list[str]()
    if bits is not None:
        synthetic, said = _quantised(synthetic, bits)
        manifest |= {"quantised": {"bits": bits, "of": manifest["sha256"]}}
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f"{output} exists; choose a new or an empty folder")
    names = _class_names(artefact, synthetic, manifest)
    if format == "hf" and (twice := [name for name in names if names.count(name) > 1]):
        raise ValueError(
            f"two classes are called {twice[0]!r}, which a Hugging Face dataset cannot have; choose "
            "--format pt or folder"
        )
    if push is not None:
        if format != "hf":
            raise ValueError(f"--push uploads a Hugging Face dataset; say --format hf, not {format}")
        push.check()
    said += _remarks(synthetic, manifest, format)
    apart = None
    with _whole(output) as folder:
        if format == "pt":
            _write_tensors(synthetic, folder)
        elif format != "safetensors":
            pixels = as_bytes(synthetic.images, manifest["preprocessing"])
            apart = difference(synthetic.images, pixels, manifest["preprocessing"])
            if format == "folder":
                write_folders(pixels, names, folder)
            else:
                write_parquet(pixels, synthetic, names, folder)
        about = measured(artefact, manifest)
        if bits is not None:
            about = replace(about, scores=())  # they are of the set as it was
        manifest.pop("exported", None)
        if format != "safetensors":
            manifest["exported"] = locate(folder).sha256()
        _write_exact(artefact if bits is None else None, synthetic, manifest, folder)
        at = push.name if push else ""
        text = card(Exported(synthetic, manifest, format, said, apart, about, at))
        write_bytes(folder / CARD, text.encode())
        if push is not None:
            said.append(f"pushed to {push.upload(folder)}")
    return said


@contextmanager
def _whole(output: Path) -> Iterator[Path]:
    """Yield a folder beside `output`, which becomes it at the end, and is removed after an error."""
    folder = output.absolute().with_name(f".partial-{output.absolute().name}-{os.getpid()}")
    try:
        make_folder(folder)
        yield folder
        if output.exists():
            output.rmdir()  # it is empty
        move(folder, output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _class_names(artefact: Path, synthetic: SyntheticSet, manifest: dict[str, Any]) -> list[str]:
    names = manifest.get("class_names")
    if not isinstance(names, list) or [*map(type, names)] != [str] * synthetic.classes:
        raise ValueError(f"the manifest of {artefact} does not name its {synthetic.classes} classes")
    return names


def _write_exact(
    artefact: Path | None, synthetic: SyntheticSet, manifest: dict[str, Any], output: Path
) -> None:
    """Copy the artefact, or write the set if it is another one; its sha256 goes into `manifest`."""
    made = {**manifest, "loader": loader(EXACT, synthetic.parametrisation)}
    if trial := shared_trial(manifest):
        made["trial"] = trial
    if artefact is None:
        manifest["sha256"] = write_artefact(output / EXACT, synthetic, made)
        return
    write_bytes(output / EXACT, read_bytes(artefact))
    write_bytes((output / EXACT).with_suffix(".json"), sealing.to_json(made).encode())


def _write_tensors(synthetic: SyntheticSet, output: Path) -> None:
    images, targets = synthetic.flat()
    labels = targets.argmax(1) if synthetic.hard else targets
    files: dict[str, object] = {"images_best.pt": images.contiguous(), "labels_best.pt": labels.contiguous()}
    if synthetic.lr is not None:
        files |= {"lr_best.pt": synthetic.lr, "lr.pt": synthetic.lr}  # TESLA's and DATM's, DD-Ranking's name
    for name, value in files.items():
        buffer = io.BytesIO()  # torch tells a full disk by an error of its own
        torch.save(value, buffer)
        write_bytes(output / name, buffer.getvalue())


def _quantised(synthetic: SyntheticSet, bits: int) -> tuple[SyntheticSet, list[str]]:
    """Return the set at `bits` bits a value, and what is to be said of it."""
    made = synthetic.quantised(bits)
    apart, spread = (made.images - synthetic.images).abs().max(), synthetic.images.std(correction=0)
    soft = "" if synthetic.hard else "; the labels stay as they are"
    said = (
        f"quantised to {bits} bits, in {made.stored_bytes} bytes in place of {synthetic.stored_bytes}: "
        f"images differ by at most {apart:.3g}, their standard deviation is {spread:.3g}{soft}"
    )
    return made, [said]


def _remarks(synthetic: SyntheticSet, manifest: dict[str, Any], format: Format) -> Iterator[str]:
    if format == "safetensors":
        return
    if (code := synthetic.parametrisation) is not None:
        yield (
            f"these are the {synthetic.ipc} images per class that a {code.kind} code of {code.nbytes} bytes "
            "decodes to"
        )
    apart = []  # the fields that are in the artefact alone
    if format == "pt":
        yield "preprocessed as the artefact's task: evaluate it with --preprocessing task"
    else:
        yield f"pictures have 8 bits and are clipped to [0, 1]; the exact tensors are in {EXACT}"
        if manifest["preprocessing"]["kind"] != "normalise":
            yield "pictures of whitened images lose their brightness and contrast"
        if not synthetic.hard:
            columns = "`label` is the class, `target` the learned label"
            own = columns if format == "hf" else "folders are classes"
            yield f"the labels are learned: {own}; they are in {EXACT}, too"
        apart += ["the learned rate"] * (synthetic.lr is not None)
    apart += ["the minibatch"] * (synthetic.minibatch != Minibatch())
    if apart:
        yield f"{' and '.join(apart)} cannot be said in this format and is in {EXACT} and exact.json"
