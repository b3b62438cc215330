"""Tries: values of hyper-parameters from a method's space, the same quantiles for all methods."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from suite.core.seeding import derive
from suite.core.spec import Choice, LogUniform

Space = Mapping[str, Choice | LogUniform]

DIGITS = 3
"""Significant digits of a sampled number, so that people can read it."""

ENOUGH = 1000
"""Points in a row without new values after which a finite space is used up."""


def values(space: Space, seed: int) -> Iterator[dict[str, Any]]:
    """Yield distinct values from a space, as JSON has them, until it is used up.

    They follow a scrambled Sobol sequence, which covers the space evenly. Its points depend on the seed and
    on the number of hyper-parameters alone.
    """
    if not space:
        return
    engine = torch.quasirandom.SobolEngine(len(space), scramble=True, seed=derive(seed, "tries") >> 32)
    given: list[dict[str, Any]] = []
    old = 0
    while old < ENOUGH:
        point = engine.draw(1)[0].tolist()
        found = {name: _value(space[name], share) for name, share in zip(space, point, strict=True)}
        if found in given:
            old += 1
            continue
        old = 0
        given.append(found)
        yield found


def _value(of: Choice | LogUniform, share: float) -> Any:
    """Return the value at a share in [0, 1] of the way through the candidates or the interval."""
    if isinstance(of, Choice):
        chosen = of.values[min(int(share * len(of.values)), len(of.values) - 1)]
        return json.loads(json.dumps(chosen))
    return float(f"{of.low * (of.high / of.low) ** share:.{DIGITS}g}")
