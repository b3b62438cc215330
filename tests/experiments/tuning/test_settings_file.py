"""Settings files: read as written, used by a grid, and refused where they do not fit it."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from suite.experiments import grid
from suite.experiments.tables import grid_files
from suite.experiments.tuning.settings_file import Chosen, SettingsFile, Try
from suite.records.cells import Trial
from suite.records.jobs import Plan, Tuned
from tests.support.grids import TINY

GIVEN = {"network": "convnet-d1-w8-in", "steps": 4, "unroll": 4, "window": 2, "real_batch": 32}
"""What TINY gives rat_bptt."""


def chosen(**changes: Any) -> Chosen:
    facts = {"row": "rat_bptt", "method": "rat_bptt", "task": "digits", "ipc": 1, "data": "0", "given": GIVEN}
    return Chosen(**{**facts, "settings": {"steps": 3, "outer_lr": 0.5}, **changes})


SUBSET = chosen(row="random_subset", method="random_subset", given={}, settings={})


def made(*entries: Chosen) -> SettingsFile:
    return SettingsFile(version="1", grid="tiny", tries=2, seed=0, trial_seed=0, chosen=list(entries))


@pytest.fixture
def path(tiny: Path) -> Path:
    """A grid with a settings file."""
    tiny.write_text(TINY.replace("seeds = [0]", 'seeds = [0]\nsettings = "tiny.settings.toml"'))
    made(SUBSET, chosen()).write(tiny.parent / "tiny.settings.toml")
    return tiny


def learned(path: Path, *settings: str, tuned: bool = True) -> Trial:
    found = grid.jobs(grid.load(path, settings, tuned=tuned))
    (trial,) = (job.cell for job in found if job.label == "rat_bptt" and isinstance(job.cell, Trial))
    return trial


class TestUse:
    def test_chosen_settings_replace_those_of_the_grid(self, path: Path) -> None:
        found = learned(path).hyperparameters
        assert (found["steps"], found["outer_lr"], found["window"]) == (3, 0.5, 2)

    def test_and_exceptions_of_the_grid(self, path: Path) -> None:
        path.write_text(path.read_text() + "\n[[method.rat_bptt.where]]\nipc = 1\nouter_lr = 0.25\n")
        made(SUBSET, chosen(given={**GIVEN, "outer_lr": 0.25})).write(path.parent / "tiny.settings.toml")
        assert learned(path).hyperparameters["outer_lr"] == 0.5

    def test_they_are_read_beside_the_grid_and_not_where_one_stands(
        self, path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
        assert learned(path).hyperparameters["steps"] == 3

    def test_a_file_serves_several_grids(self, path: Path) -> None:
        made(SUBSET, chosen(), chosen(row="other"), chosen(ipc=50)).write(path.parent / "tiny.settings.toml")
        assert learned(path).hyperparameters["steps"] == 3

    def test_the_command_line_changes_whatever_it_names(self, path: Path) -> None:
        found = learned(path, "method.rat_bptt.outer_lr=0.1", "method.rat_bptt.unroll=5").hyperparameters
        assert (found["outer_lr"], found["unroll"], found["steps"]) == (0.1, 5, 3)

    def test_trials_with_chosen_values_are_tuned_and_others_are_not(self, path: Path) -> None:
        tries = [Try(settings={}, accuracy=0.5), Try(settings={"outer_lr": 0.5}, accuracy=0.6)]
        entry = chosen(tries=tries, choice=2, tuning_seconds=12.5)
        made(SUBSET, entry).write(path.parent / "tiny.settings.toml")

        def tuned(*settings: str) -> dict[str, Tuned | None]:
            return {job.label: job.tuned for job in grid.jobs(grid.load(path, settings))}

        assert tuned() == {"random_subset": None, "rat_bptt": Tuned(tries=2, device_seconds=12.5)}
        assert tuned("method.rat_bptt.unroll=5")["rat_bptt"]  # was not chosen
        assert tuned("method.rat_bptt.outer_lr=0.1")["rat_bptt"] is None
        plan = Plan.of(grid.jobs(grid.load(path)))
        assert [each.cell.kind for each in plan.cells if each.tuned] == ["distillation"]

    def test_a_grid_with_budgets_takes_all_but_the_number_of_steps(self, path: Path) -> None:
        path.write_text(path.read_text() + "\n[budget]\ndevice_seconds = [1, 4]\n")
        made(SUBSET, chosen(tries=[Try(settings={"outer_lr": 0.5}, accuracy=0.6)])).write(
            path.parent / "tiny.settings.toml"
        )
        found = learned(path).hyperparameters
        assert (found["steps"], found["outer_lr"]) == (GIVEN["steps"], 0.5)
        jobs = {job.label: job for job in grid.jobs(grid.load(path))}
        assert jobs["rat_bptt"].tuned == Tuned(tries=1)

    def test_it_can_be_left_out(self, path: Path) -> None:
        assert learned(path, "settings=").hyperparameters["steps"] == 4
        assert learned(path, tuned=False).hyperparameters["steps"] == 4

    def test_settings_files_are_no_grids(self) -> None:
        assert not [name for name in grid_files.names() if name.endswith(".settings")]


class TestRefused:
    @pytest.mark.parametrize(
        ("entries", "message"),
        [
            ([SUBSET], "has no settings for 'rat_bptt' on digits at ipc 1; run `ratbench tune` again, or"),
            ([chosen(ipc=2), SUBSET], "no settings for 'rat_bptt' on digits at ipc 1"),
            ([chosen(task="mnist"), SUBSET], "no settings for 'rat_bptt' on digits at ipc 1"),
            ([chosen(row="rat_bpt"), SUBSET], "rows of the file: did you mean 'rat_bpt'?"),
            ([chosen()], "no settings for 'random_subset' on digits"),
            (
                [SUBSET, chosen(method="bptt")],
                "for 'rat_bptt' on digits at ipc 1 belong to the method 'bptt', but the grid has 'rat_bptt'",
            ),
            ([SUBSET, chosen(given={**GIVEN, "window": 3})], "with window = 3, but the grid has 2; run"),
            ([SUBSET, chosen(given={**GIVEN, "clip": 3.0})], "clip = 3.0, but the grid has its default;"),
            (
                [SUBSET, chosen(given={k: v for k, v in GIVEN.items() if k != "network"})],
                'network = its default, but the grid has "convnet-d1-w8-in"',
            ),
            ([SUBSET, chosen(settings={"outer_rl": 0.1})], "unknown key 'outer_rl'; did you mean 'outer_lr'"),
            ([SUBSET, chosen(settings={"outer_lr": -1.0})], "outer_lr -1.0 must be larger than 0"),
            (
                [SUBSET, chosen(tries=[Try(settings={"outer_lr": 0.1})], choice=1)],
                "not those of the chosen try, which is the try 1;",
            ),
        ],
    )
    def test_a_file_for_something_else(self, path: Path, entries: list[Chosen], message: str) -> None:
        made(*entries).write(path.parent / "tiny.settings.toml")
        with pytest.raises(ValueError) as error:
            learned(path)
        assert message in str(error.value) and "\n" not in str(error.value)

    def test_sizes_and_tasks_that_were_not_tuned(self, path: Path) -> None:
        with pytest.raises(ValueError, match="no settings for 'random_subset' on digits at ipc 5"):
            learned(path, "ipc=[1, 5]")
        with pytest.raises(ValueError, match="no settings for 'random_subset' on mnist at ipc 1"):
            learned(path, 'tasks=["mnist"]')

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (TINY, "is not a settings file of `ratbench tune`: "),
            ("a = ", "Invalid value"),
            ("", "is not a settings file of `ratbench tune`: version: field required"),
            (
                made(chosen()).to_toml().replace("ipc = 1", "ipc = true"),
                "chosen.0.ipc: input should be a valid",
            ),
            (made(chosen()).to_toml().replace("ipc = 1", "icp = 1"), "is not a settings file"),
        ],
    )
    def test_another_file(self, path: Path, text: str, message: str) -> None:
        (path.parent / "tiny.settings.toml").write_text(text)
        with pytest.raises(ValueError) as error:
            learned(path)
        assert message in str(error.value) and "tiny.settings.toml" in str(error.value)

    def test_a_folder_a_binary_file_and_no_file(self, path: Path) -> None:
        file = path.parent / "tiny.settings.toml"
        file.write_bytes(b"\xff\xfe")
        with pytest.raises(ValueError, match=r"tiny\.settings\.toml"):
            learned(path)
        file.unlink()
        with pytest.raises(ValueError, match=r"no settings file .*; write it with `ratbench tune`"):
            learned(path)
        file.mkdir()
        with pytest.raises(ValueError, match=r"settings file .* is not a file; give the path of a file"):
            learned(path)

    def test_one_place_twice(self) -> None:
        with pytest.raises(ValueError, match="two entries for 'random_subset' on digits at ipc 1"):
            made(SUBSET, chosen(), SUBSET)


values = st.one_of(
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    st.lists(st.integers(0, 9), max_size=3),
)


@drawn(st.dictionaries(st.text(st.characters(exclude_categories=["Cs", "Cc"])), values, max_size=4))
def test_any_values_are_read_as_written(tmp: dict[str, Any]) -> None:
    entry = chosen(
        given=tmp, settings=tmp, choice=1, tries=[Try(settings=tmp, accuracy=0.5), Try(settings={})]
    )
    file = made(entry)
    assert SettingsFile.model_validate(tomllib.loads(file.to_toml())) == file
