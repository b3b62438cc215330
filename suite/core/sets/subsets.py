"""Parts of a set, which are scored instead of the whole set; and prefixes as separate artefacts."""

from pathlib import Path

import torch

from suite.core.seeding import generator
from suite.core.sets.artefacts import load_artefact, write_artefact
from suite.core.sets.manifest import loader
from suite.core.sets.part import Part
from suite.core.sets.synthetic_set import SyntheticSet


def cut(synthetic: SyntheticSet, part: Part | None, *, seed: int) -> SyntheticSet:
    """Return a part of a set, or the whole for None; raises ValueError if the set has no such part.

    seed: of the trial. A random subset is drawn separately for each class; for one seed and index, a smaller
    subset is a prefix of a larger one.
    """
    if part is None:
        return synthetic
    count = synthetic.stored_ipc
    if part.how == "without":
        if part.ipc != count - 1 or part.index > part.ipc:
            raise ValueError(f"a set of {count} images per class has no part {part.title!r}")
        rows = torch.arange(count)
        return synthetic.take(rows[rows != part.index].expand(synthetic.classes, -1))
    first = synthetic.prefix(part.ipc)
    if part.how == "prefix":
        return first
    rng = generator(seed, "random subset", part.index)
    return synthetic.take(torch.rand(synthetic.classes, count, generator=rng).argsort(1)[:, : part.ipc])


def write_prefix(artefact: Path, ipc: int, target: Path) -> None:
    """Write the first `ipc` images of each class of an artefact to `target`, with a manifest.

    Raises ValueError if `target` exists, or the artefact is damaged or too small.
    """
    if target.suffix != ".safetensors":
        raise ValueError(f"{target}: the name of an artefact must end in .safetensors")
    if target.exists() or target.with_suffix(".json").exists():
        raise ValueError(f"{target} or its manifest exists; choose another --output")
    synthetic, facts = load_artefact(artefact)
    first, part = synthetic.prefix(ipc), {"ipc": ipc, "of": facts["sha256"]}
    code = loader(target.name, first.parametrisation)
    write_artefact(target, first, {**facts, "part": part, "loader": code})
