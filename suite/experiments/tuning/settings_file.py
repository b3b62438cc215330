"""Settings files: what `ratbench tune` chose for each row, task and size of a grid, with all its tries."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from suite.core.files.atomic_write import NotAFile, write_bytes
from suite.core.files.documents import read_toml
from suite.core.names import did_you_mean
from suite.records.cells import Trial
from suite.records.jobs import Tuned

ENDING = ".settings.toml"
"""The end of the name of a settings file beside a grid."""

Place = tuple[str, str, int]
"""(row of a grid, task, images per class)"""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Try(_Table):
    """One try: its values of the hyper-parameters that are tuned, and its mean accuracy on the holdout.

    seconds: device-seconds after which it was stopped, if it was; accuracy: None if it diverged or failed.
    """

    settings: dict[str, Any]
    accuracy: float | None = None
    seconds: float | None = None


class Chosen(_Table):
    """The settings of one row at one task and size.

    data: the fingerprint of the holdout. given: the hyper-parameters that the paper and the grid gave, the
    same in all tries. settings: those that replace them. tries: the first has the values of the grid. choice:
    the number of the chosen try, from 1. tuning_seconds: device-seconds of all tries.
    """

    row: str
    method: str
    task: str
    ipc: PositiveInt
    data: str
    given: dict[str, Any]
    settings: dict[str, Any]
    evaluation: str = ""  # what chose; "" if the method has nothing to tune
    choice: PositiveInt | None = None
    accuracy: float | None = None  # of the choice, on the holdout
    base_accuracy: float | None = None  # of the first try
    device_seconds: float | None = None  # of the distillation of the choice
    tuning_seconds: float | None = None
    trial: str = ""  # of the choice, in the store of the tries
    tries: list[Try] = []

    @property
    def place(self) -> Place:
        """Its row, task and size."""
        return self.row, self.task, self.ipc

    @property
    def edited(self) -> bool:
        """Whether its settings are not those of the try that was chosen."""
        if self.choice is None:
            return False
        if self.choice > len(self.tries):
            return True
        chosen = self.tries[self.choice - 1].settings
        return any(self.settings.get(name) != value for name, value in chosen.items())

    def without_steps(self) -> Self:
        """Return it without the number of outer steps, which is not chosen but follows from the seconds."""
        return self.model_copy(
            update={"settings": {key: value for key, value in self.settings.items() if key != "steps"}}
        )

    def tuned(self, trial: Trial) -> Tuned | None:
        """Return the number of tries and their cost; None if the trial has other values than the chosen."""
        given = trial.hyperparameters
        if not self.tries or any(given.get(key) != value for key, value in self.settings.items()):
            return None
        return Tuned(tries=len(self.tries), device_seconds=self.tuning_seconds)


class SettingsFile(_Table):
    """A settings file.

    tries, seed: how many there were of each row, and the seed by which they were sampled; seconds:
    device-seconds that a set may cost, if that is limited; halving: whether only some tries had all of them;
    trial_seed: the distillation seed of all tries.
    """

    version: str
    grid: str
    tries: PositiveInt
    seed: int
    seconds: float | None = None
    halving: bool = False
    trial_seed: int
    chosen: list[Chosen] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        places = [each.place for each in self.chosen]
        if repeated := [place for number, place in enumerate(places) if place in places[:number]]:
            raise ValueError(f"two entries {_words(repeated[0])}; remove one")
        return self

    @classmethod
    def read(cls, path: Path) -> "SettingsFile":
        """Read a settings file; raises ValueError if it is missing or none."""
        try:
            return cls.model_validate(read_toml(path))
        except FileNotFoundError:
            raise ValueError(
                f"no settings file {path}; write it with `ratbench tune`, or leave `settings` out of the grid"
            ) from None
        except OSError as error:
            raise ValueError(f"settings file {path}: {error.strerror}; give the path of a file") from None
        except NotAFile:
            raise ValueError(f"settings file {path} is not a file; give the path of a file") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(
                f"{path} is not a settings file of `ratbench tune`: {where}: {first['msg'].lower()}"
            ) from None
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def of(
        self, place: Place, method: str, given: Mapping[str, Any], data: str, evaluation: str
    ) -> Chosen | None:
        """Return what was chosen for a row, if it was for these values on these data by this evaluation."""
        found = next((each for each in self.chosen if each.place == place), None)
        if not found or found.edited or (found.tries and found.evaluation != evaluation):
            return None
        wanted = method, plain(given), data
        return found if (found.method, plain(found.given), found.data) == wanted else None

    def fitting(self, path: Path, rows: Mapping[Place, tuple[str, Mapping[str, Any]]]) -> dict[Place, Chosen]:
        """Return what was chosen for rows; raises ValueError if they were chosen for something else.

        path: of this file, for messages; rows: of a grid, with the method and what `given` gives today.
        """
        known = {each.place: each for each in self.chosen}
        for place, (method, given) in rows.items():
            if place not in known:
                raise ValueError(f"{path} has no settings {_words(place)}; {self._remedy(place)}")
            if known[place].method != method:
                raise ValueError(
                    f"{path}: the settings {_words(place)} belong to the method {known[place].method!r}, but "
                    f"the grid has {method!r}; {REMEDY}"
                )
            if known[place].edited:
                raise ValueError(
                    f"{path}: the settings {_words(place)} are not those of the chosen try, which is the try "
                    f"{known[place].choice}; {REMEDY}"
                )
            old, new = known[place].given, plain(given)
            if differing := [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]:
                key = differing[0]
                raise ValueError(
                    f"{path}: the settings {_words(place)} were chosen with {key} = {_shown(old.get(key))}, "
                    f"but the grid has {_shown(new.get(key))}; {REMEDY}"
                )
        return {place: known[place] for place in rows}

    def _remedy(self, place: Place) -> str:
        tuned = sorted({each.row for each in self.chosen})
        row, *_ = place
        return REMEDY if row in tuned else f"{REMEDY}; rows of the file: {did_you_mean(row, tuned)}"

    def write(self, path: Path) -> None:
        """Write the file; an earlier one is replaced."""
        write_bytes(path, self.to_toml().encode(), replace=True)

    def to_toml(self) -> str:
        """Return the file's text."""
        import tomli_w  # here, since only tuning writes one

        head = f"# Settings chosen on the holdout by `ratbench tune {self.grid}`. Do not edit.\n"
        return head + tomli_w.dumps(self.model_dump(exclude_defaults=True))


REMEDY = "run `ratbench tune` again, or leave `settings` out of the grid"


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as TOML has them: tuples as lists, None left out."""
    found: dict[str, Any] = json.loads(json.dumps(values))
    return {key: value for key, value in found.items() if value is not None}


def _words(place: Place) -> str:
    row, task, ipc = place
    return f"for {row!r} on {task} at ipc {ipc}"


def _shown(value: Any) -> str:
    return "its default" if value is None else json.dumps(value, ensure_ascii=False)
