"""The contract as checks that run on one method in seconds; each failure says what to change."""

import dataclasses
import io
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

from suite.core.data.tasks import load
from suite.core.limits import check_set
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Distiller, Examples, Method
from suite.core.training.recipes import recipe
from suite.plugins import registry

Check = Callable[[type[Method]], str]
"""Returns what to change, or nothing."""

BUDGET = Budget(2)
SLOWEST = 20  # more smoke steps than this take too long


def title(check: Check) -> str:
    """Return the sentence that a check is about."""
    return (check.__doc__ or "").strip().splitlines()[0]


def problem(check: Check, cls: type[Method]) -> str:
    """Return what to change for the check to pass, or nothing; an error in the method is one line of it."""
    try:
        return check(cls)
    except (Exception, SystemExit) as error:
        return " ".join(f"it raised {type(error).__name__}: {error}".split())


@cache
def smoke_data() -> Examples:
    """Return 300 real 8x8 digits of ten classes."""
    train = load("digits").train
    return train.take(torch.cat([indices[:30] for indices in train.by_class()]))


def _start(cls: type[Method], seed: int = 0) -> Distiller:
    method: Method = registry.configure(cls, cls.smoke, where=f"{cls.__name__}.smoke")
    method.check(smoke_data(), BUDGET)
    return method.start(smoke_data(), BUDGET, seed=seed)


def _finish(distiller: Distiller, steps: int | None = None) -> SyntheticSet:
    for _ in range(distiller.steps if steps is None else steps):
        distiller.step()
    return distiller.synthetic()


def _equal(one: SyntheticSet, other: SyntheticSet) -> bool:
    return torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)


def is_described(cls: type[Method]) -> str:
    """It is a frozen dataclass with a docstring, and its native recipe is known."""
    if not dataclasses.is_dataclass(cls) or not cls.__dataclass_params__.frozen:
        return f"decorate {cls.__name__} with @dataclass(frozen=True)"
    if not cls.__doc__ or cls.__doc__.startswith(f"{cls.__name__}("):
        return f"give {cls.__name__} a docstring: its first line stands in `ratbench list methods`"
    try:
        recipe(cls.recipe)
    except ValueError as error:
        return f"set `recipe` to a frozen recipe: {error}"
    return ""


def has_settings(cls: type[Method]) -> str:
    """Its smoke and published settings and its tuning space name real hyper-parameters."""
    tables: dict[str, Any] = {"smoke": cls.smoke} | {
        f"published[{key}]": v for key, v in cls.published.items()
    }
    for name, values in tables.items():
        try:
            registry.configure(cls, values, where=name)
        except ValueError as error:
            return str(error)
    known = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    wrong = [name for name in cls.space if name not in known]
    return f"space: {registry.unknown(wrong[0], known)}" if wrong else ""


def keeps_shapes(cls: type[Method]) -> str:
    """Its set has the right shape, dtype and device, and finite values, before and after its steps."""
    distiller, train = _start(cls), smoke_data()
    if not 0 < distiller.steps <= SLOWEST:
        return f"smoke settings give {distiller.steps} steps; choose 1 to {SLOWEST}"
    for made, grown in ((distiller.synthetic(), False), (_finish(distiller), True)):
        # A set that has an order may grow up to its size; a factorised one decodes to more images.
        growing = cls.ordered and not grown
        free = growing or made.parametrisation is not None
        expected = (train.classes, made.ipc if free else BUDGET.ipc)
        if made.images.shape[:2] != expected or made.labels.shape != (*expected, train.classes):
            found = tuple(made.images.shape), tuple(made.labels.shape)
            return f"synthetic() gives {found}; images and labels must begin with {expected} (classes, ipc)"
        for name, value in (("images", made.images), ("labels", made.labels)):
            if value.dtype != torch.float32 or value.device != train.images.device:
                return f"{name} are {value.dtype} on {value.device}; give float32 on {train.images.device}"
            if value.requires_grad:
                return f"{name} require gradients; detach them in synthetic()"
            if not value.isfinite().all():
                return f"{name} are not finite after the smoke run"
        check_set(made, train, BUDGET, growing=growing)
    return ""


def keeps_to_its_budget(cls: type[Method]) -> str:
    """A factorised set stores no more bytes than its budget, and decodes to its own images."""
    distiller, train = _start(cls), smoke_data()
    for made in (distiller.synthetic(), _finish(distiller)):
        if made.parametrisation is None:
            continue
        check_set(made, train, BUDGET)
        if any(
            value.dtype != torch.float32 or value.requires_grad
            for value in made.parametrisation.tensors.values()
        ):
            return "its code must be float32 and detached, as images are"
        if not torch.equal(made.parametrisation.decode(), made.images):
            return (
                "its code decodes to other images; make the set with SyntheticSet.from_parametrisation(code)"
            )
    return ""


def reports_numbers(cls: type[Method]) -> str:
    """Its steps return finite numbers by name."""
    metrics = _start(cls).step()
    wrong = {name: value for name, value in metrics.items() if not _scalar(value)}
    if wrong:
        return f"step() returns {wrong}; return numbers or 0-dim tensors, such as loss.detach()"
    infinite = [name for name, value in metrics.items() if not math.isfinite(value)]
    return f"step() returns {infinite[0]} = {metrics[infinite[0]]}" if infinite else ""


def _scalar(value: object) -> bool:
    if isinstance(value, torch.Tensor):
        return value.ndim == 0 and not value.requires_grad
    return isinstance(value, int | float)


def repeats_itself(cls: type[Method]) -> str:
    """The same seed gives the same bits whatever the global random state."""
    torch.manual_seed(1)
    first = _finish(_start(cls))
    torch.manual_seed(2)
    if not _equal(first, _finish(_start(cls))):
        return "two runs of one seed differ; draw from suite.core.seeding.generator(seed, name) only"
    return ""


def shares_nothing(cls: type[Method]) -> str:
    """Two runs beside each other share no tensors."""
    kept = _finish(_start(cls, 0))
    before = kept.images.clone()
    _finish(_start(cls, 1))
    return (
        ""
        if torch.equal(kept.images, before)
        else "a second run changed the first one's set; share no tensors"
    )


def leaves_global_state(cls: type[Method]) -> str:
    """It touches no global random state, and not the training data."""
    torch.manual_seed(3)
    state, images = torch.get_rng_state(), smoke_data().images.clone()
    _finish(_start(cls))
    if not torch.equal(state, torch.get_rng_state()):
        return "it draws from torch's global generator; pass generator=… to every draw"
    if not torch.equal(images, smoke_data().images):
        return "it changes the training images; clone what is learned"
    return ""


def hands_out_copies(cls: type[Method]) -> str:
    """A set once handed out does not change with later steps."""
    distiller = _start(cls)
    early = distiller.synthetic()
    tensors = [early.images, *(early.parametrisation.tensors.values() if early.parametrisation else ())]
    kept = [value.clone() for value in tensors]
    _finish(distiller)
    same = all(torch.equal(one, other) for one, other in zip(kept, tensors, strict=True))
    return "" if same else "synthetic() hands out live tensors; clone them"


def resumes_exactly(cls: type[Method]) -> str:
    """Interrupted, saved, loaded and resumed, it gives the same bits as uninterrupted."""
    whole = _finish(_start(cls))
    first = _start(cls)
    half = first.steps // 2
    _finish(first, half)
    saved = io.BytesIO()
    torch.save(first.state_dict(), saved)
    saved.seek(0)
    second = _start(cls, seed=7)
    second.load_state_dict(torch.load(saved, weights_only=True))
    if first.steps == 1:
        return ""  # a single step leaves nothing to resume, and a choice depends on its seed
    if not _equal(whole, _finish(second, second.steps - half)):
        return "a resumed run differs; state_dict() must hold everything that a step depends on"
    return ""


CHECKS: tuple[Check, ...] = (
    is_described,
    has_settings,
    keeps_shapes,
    keeps_to_its_budget,
    reports_numbers,
    repeats_itself,
    shares_nothing,
    leaves_global_state,
    hands_out_copies,
    resumes_exactly,
)
