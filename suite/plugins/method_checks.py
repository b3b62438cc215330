"""The contract of methods, as checks that take seconds."""

import io
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from suite.core.limits import check_set
from suite.core.sets.parametrisations import describe
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import ANY_SIZE, Choice, Distiller, Method
from suite.core.training.recipes import recipe
from suite.plugins import registry
from suite.plugins.description_checks import described, misnamed
from suite.plugins.smoke import BUDGET, global_state, set_global_state, smoke_data

SLOWEST = 20  # more smoke steps than this take too long


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
    """It is a frozen dataclass with a docstring and all that a method declares, and its recipe is known."""
    members = [*Method.__annotations__, "outer_steps", "check", "start"]
    if problem := described(cls, members, "suite.core.distilling.base.BaseMethod"):
        return problem
    try:
        for name in (cls.recipe, *cls.recipes.values()):
            recipe(name)
    except ValueError as error:
        return f"set `recipe` to a known recipe, or add it to RECIPES: {error}"
    if not isinstance(cls.paper, str):
        return f"paper is {cls.paper!r}; give a text such as 'arXiv 2110.04181', or ''"
    return "" if isinstance(cls.ordered, bool) else f"ordered is {cls.ordered!r}; give True or False"


def has_settings(cls: type[Method]) -> str:
    """Its smoke and published settings and its tuning space name real hyper-parameters."""
    keys: tuple[Any, ...] = (*cls.published, *cls.recipes, *cls.borrowed)
    for key in keys:
        if not (isinstance(key, tuple) and [type(part) for part in key] == [str, int]) or key[1] < ANY_SIZE:
            return (
                f"published, recipes or borrowed has the key {key!r}; use (task family, ipc), such as "
                f"('cifar10', 10), with ipc {ANY_SIZE} for all other sizes"
            )
    published = {f"published[{key}]": values for key, values in cls.published.items()}
    if naming := [where for where, values in published.items() if "network" in values]:
        return f"{naming[0]} names a network, which a grid chooses for all its methods; leave it out"
    if problem := misnamed(cls, {"smoke": cls.smoke, **published}):
        return problem
    known = registry.field_names(cls)
    if wrong := [name for name in cls.space if name not in known]:
        return f"space: {registry.unknown(wrong[0], known)}"
    if "steps" in cls.space:
        return "space has 'steps'; leave it out, since the number of outer steps is not tuned"
    ends = {
        name: of.values if isinstance(of, Choice) else (of.low, of.high) for name, of in cls.space.items()
    }
    return misnamed(
        cls, {f"space[{name!r}]": {**cls.smoke, name: end} for name, each in ends.items() for end in each}
    )


def plans_its_steps(cls: type[Method]) -> str:
    """It knows its outer steps, and the milestones among them."""
    method: Method = registry.configure(cls, cls.smoke, where=f"{cls.__name__}.smoke")
    distiller = _start(cls)
    if not 0 < distiller.steps <= SLOWEST:
        return f"smoke settings give {distiller.steps} steps; choose 1 to {SLOWEST}"
    if method.outer_steps not in (None, distiller.steps):
        return f"outer_steps is {method.outer_steps}, the run's steps {distiller.steps}; return the same"
    for _ in range(distiller.steps):
        distiller.step()
        if wrong := [step for step in distiller.milestones if not 1 <= step <= distiller.steps]:
            return f"milestones has {wrong[0]!r}; name steps from 1 to {distiller.steps}"
    return ""


def keeps_shapes(cls: type[Method]) -> str:
    """Its set has the task's shapes, finite float32 values, and no more bytes than its budget."""
    distiller, train = _start(cls), smoke_data()
    before, after = distiller.synthetic(), _finish(distiller)
    for made, growing in ((before, True), (after, False)):
        # Before the last step, sets of ordered methods may be smaller.
        check_set(made, train, BUDGET, growing=growing and cls.ordered)
        for name, value in made.tensors.items():
            if value.device != train.images.device:
                return f"{name} are on {value.device}; keep them on the device of `train`"
            if value.requires_grad:
                return f"{name} require gradients; detach them in synthetic()"
    return _decodes(after)


def _decodes(made: SyntheticSet) -> str:
    code = made.parametrisation
    if code is None:
        return ""
    if not torch.equal(code.decode(), made.images):
        return "its code decodes to other images; make the set by SyntheticSet.from_parametrisation(code)"
    names: dict[str, Any] = {"torch": torch, "tensors": code.tensors}
    names["facts"] = {"parametrisation": describe(code)}
    exec(code.lines, names)  # nosec B102 # of the method under test; as a user of the manifest does
    loaded, images = names.get("images"), made.images.flatten(0, 1)
    if not (isinstance(loaded, Tensor) and torch.allclose(loaded, images, atol=1e-5)):
        return f"the lines in {type(code).__name__}.loader do not make the same `images` as decode()"
    return ""


def grows_in_order(cls: type[Method]) -> str:
    """If its images have an order, the set has prefixes, and never shrinks."""
    if not cls.ordered:
        return ""
    distiller, sizes = _start(cls), []
    for _ in range(distiller.steps):
        sizes.append(distiller.synthetic().ipc)
        distiller.step()
    made = distiller.synthetic()
    try:
        made.prefix(1)
    except ValueError as error:
        return f"{error}, and leave `ordered` False"
    sizes.append(made.ipc)
    return "" if sizes == sorted(sizes) else f"its sizes over the steps are {sizes}; only add images"


def reports_numbers(cls: type[Method]) -> str:
    """Its steps return finite numbers by name, its diagnosis is text, its cached seconds are a time."""
    distiller = _start(cls)
    for _ in range(distiller.steps):
        metrics = distiller.step()
        wrong = {name: value for name, value in metrics.items() if not _is_scalar(value)}
        if wrong:
            return f"step() returns {wrong}; return numbers or 0-dim tensors, such as loss.detach()"
        infinite = [name for name, value in metrics.items() if not math.isfinite(value)]
        if infinite:
            return f"step() returns {infinite[0]} = {metrics[infinite[0]]}"
    if not isinstance(told := distiller.diagnosis(), str):
        return f"diagnosis() returns {told!r}; return a text, '' if nothing is known"
    seconds = distiller.cached_seconds
    if not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        return f"cached_seconds is {seconds!r}; give seconds, 0.0 for none"
    return ""


def _is_scalar(value: object) -> bool:
    if isinstance(value, Tensor):
        return value.ndim == 0 and not value.requires_grad
    return isinstance(value, int | float)


def repeats_itself(cls: type[Method]) -> str:
    """The same seed gives the same bits, whatever the global random states."""
    set_global_state(1)
    first = _finish(_start(cls))
    set_global_state(2)
    if not _equal(first, _finish(_start(cls))):
        return "two runs of one seed differ; draw from suite.core.seeding.generator(seed, name) only"
    return ""


def shares_nothing(cls: type[Method]) -> str:
    """Two runs beside each other share no tensors."""
    kept = _finish(_start(cls, 0))
    before = kept.images.clone()
    _finish(_start(cls, 1))
    same = torch.equal(kept.images, before)
    return "" if same else "a second run changed the first one's set; share no tensors"


def leaves_global_state(cls: type[Method]) -> str:
    """It touches neither global random states nor the training data."""
    set_global_state(3)
    state, images = global_state(), smoke_data().images.clone()
    _finish(_start(cls))
    if state != global_state():
        return "it draws from a global generator; pass generator=... to every draw of torch"
    if not torch.equal(images, smoke_data().images):
        return "it changes the training images; clone what is learned"
    return ""


def hands_out_copies(cls: type[Method]) -> str:
    """A set does not change once it is handed out."""
    distiller = _start(cls)
    early = list(distiller.synthetic().tensors.values())
    kept = [value.clone() for value in early]
    _finish(distiller)
    same = all(torch.equal(one, other) for one, other in zip(kept, early, strict=True))
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
        return ""  # a run of a single step cannot be resumed
    if not _equal(whole, _finish(second, second.steps - half)):
        return "a resumed run differs; state_dict() must hold everything that a step depends on"
    return ""


CHECKS: tuple[Callable[[type[Method]], str], ...] = (
    is_described,
    has_settings,
    plans_its_steps,
    keeps_shapes,
    grows_in_order,
    reports_numbers,
    repeats_itself,
    shares_nothing,
    leaves_global_state,
    hands_out_copies,
    resumes_exactly,
)
