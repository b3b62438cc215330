"""Tuning from a grid to a settings file that the grid reads; only the holdout is seen."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

from suite.cli.running import preview, runner, tuning
from suite.cli.running.deadline import Stopped
from suite.cli.running.request import Request
from suite.core.data.tasks import fingerprint, load
from suite.core.examples import TestSplit
from suite.core.spec import LogUniform
from suite.experiments import grid, preflight
from suite.experiments.tuning.settings_file import SettingsFile
from suite.experiments.tuning.tries import Rule
from suite.plugins.methods.dm import DM
from suite.records.cells import Trial
from suite.records.jobs import Job
from suite.records.store import Store
from tests.support.command_line import ratbench, refused
from tests.support.tuned import TUNED

RULE = Rule(tries=3, seed=0, seconds=30.0)


def request(folder: Path, rule: Rule = RULE) -> tuning.TuningRequest:
    run = Request(str(folder / "tuned.toml"), store=folder / "tries", inline=True)
    return tuning.TuningRequest(run, rule, folder / "tuned.settings.toml")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a tuned grid, the store of its tries, and its settings file; no test split was read."""

    def read(split: TestSplit) -> NoReturn:
        raise AssertionError("the test split was read")

    folder = tmp_path_factory.mktemp("tuned")
    (folder / "tuned.toml").write_text(TUNED)
    whole = TestSplit.read
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RATBENCH_DATA", str(folder / "data"))
        patch.setattr(TestSplit, "read", lambda split: whole(split) if split.held_out else read(split))
        torch.set_num_threads(1)
        assert tuning.tune(request(folder))
    yield folder


@pytest.fixture
def tuned(done: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(done, tmp_path / "tuned"))


def test_all_is_measured_on_the_holdout(done: Path) -> None:
    paths = list((done / "tries" / "records").glob("*/*/*.json"))
    assert paths and {path.parts[-3] for path in paths} == {"digits-holdout-ipc1", "digits-holdout-ipc2"}
    store, held = Store(done / "tries"), fingerprint(load("digits:holdout"))
    for path in paths:
        record = store.record(path.stem)
        assert record is not None and record.data == held != fingerprint(load("digits"))


@pytest.mark.parametrize(("address", "inline"), [(None, True), ("auto", False)])
def test_steps_are_timed_without_neighbours(
    address: str | None, inline: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On this machine; each node of a cluster times what it gets."""
    (tmp_path / "tuned.toml").write_text(TUNED)
    asked = list[tuple[set[str], bool]]()

    def work(jobs: list[Job], *_: Any, inline: bool, **_options: Any) -> None:
        asked.append(({job.cell.kind for job in jobs}, inline))

    monkeypatch.setattr(runner, "work", work)
    wanted = request(tmp_path)
    tuning.tune(replace(wanted, run=replace(wanted.run, inline=False, address=address)))
    assert asked == [({"study"}, inline)]


def test_no_try_reads_the_test_split(done: Path) -> None:
    store = Store(done / "tries")
    for entry in SettingsFile.read(done / "tuned.settings.toml").chosen:
        if entry.trial:
            record = store.record(entry.trial)
            assert record is not None and record.test_reads == 0


def test_every_row_with_a_space_has_as_many_tries(done: Path) -> None:
    file = SettingsFile.read(done / "tuned.settings.toml")
    assert (file.tries, file.seed, file.seconds, file.trial_seed) == (3, 0, 30.0, 3)
    tries = {(each.row, each.ipc): len(each.tries) for each in file.chosen}
    assert tries == {
        ("random_subset", 1): 0,
        ("random_subset", 2): 0,
        ("dm", 1): 3,
        ("dm", 2): 3,
        ("pieces", 1): 3,
    }
    for entry in file.chosen:
        if entry.tries:
            accuracies = [each.accuracy or 0 for each in entry.tries]
            assert entry.accuracy == max(accuracies) and entry.base_accuracy == accuracies[0]
            assert entry.choice == accuracies.index(max(accuracies)) + 1
    assert {each.settings["steps"] for each in file.chosen if each.row == "dm"} == {4}


def test_the_grid_reads_the_file_that_was_written(tuned: Path) -> None:
    path = tuned / "tuned.toml"
    path.write_text(TUNED.replace("ipc = [1, 2]", 'ipc = [1, 2]\nsettings = "tuned.settings.toml"', 1))
    entries = {each.place: each for each in SettingsFile.read(tuned / "tuned.settings.toml").chosen}
    for job in grid.jobs(grid.load(path)):
        assert isinstance(job.cell, Trial)
        chosen = entries[job.label, "digits", job.ipc].settings
        assert chosen.items() <= job.cell.hyperparameters.items()


def test_a_grid_is_refused_on_other_images_than_those_of_its_settings(tuned: Path) -> None:
    path, file = tuned / "tuned.toml", tuned / "tuned.settings.toml"
    path.write_text(TUNED.replace("ipc = [1, 2]", 'ipc = [1, 2]\nsettings = "tuned.settings.toml"', 1))
    preflight.check_settings(path, "tuned.settings.toml", ["digits"])
    file.write_text(file.read_text().replace('data = "', 'data = "0123'))
    for run in (runner.run, preview.dry_run):
        with pytest.raises(
            ValueError, match=r"for 'random_subset' were chosen on data 0123.* of digits, which now has data"
        ):
            run(Request(str(path), store=tuned / "store", inline=True))
    assert not (tuned / "store").exists()


def test_run_again_nothing_is_done_and_the_same_is_written(tuned: Path) -> None:
    before = (tuned / "tuned.settings.toml").read_bytes()
    (tuned / "tuned.settings.toml").unlink()
    records = sorted((tuned / "tries" / "records").rglob("*.json"))
    assert tuning.tune(request(tuned))
    assert (tuned / "tuned.settings.toml").read_bytes() == before
    assert sorted((tuned / "tries" / "records").rglob("*.json")) == records


def test_it_stops_without_a_file_and_goes_on(tuned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (tuned / "tuned.settings.toml").read_bytes()
    (tuned / "tuned.settings.toml").unlink()
    paths = [
        path for path in tuned.glob("tries/records/*/dm/*.json") if '"kind": "evaluation"' in path.read_text()
    ]
    for path in paths:
        path.unlink()

    def stop(*args: object, **named: object) -> NoReturn:
        raise Stopped("the time limit is near")

    with monkeypatch.context() as patch:
        patch.setattr(runner, "work", stop)
        with pytest.raises(Stopped):
            tuning.tune(request(tuned))
    assert len(paths) == 6 and not (tuned / "tuned.settings.toml").exists()
    assert tuning.tune(request(tuned)) and (tuned / "tuned.settings.toml").read_bytes() == before


def test_other_rules_have_other_tries(tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tuning.dry_run(request(tuned))
    said = capsys.readouterr().out
    assert "20 cells, 20 done, 0 to do" in said and "image_lr" in said and "nothing" in said
    tuning.dry_run(request(tuned, Rule(tries=3, seed=1, seconds=30.0)))
    assert "20 cells, 12 done, 8 to do" in capsys.readouterr().out
    tuning.dry_run(request(tuned, Rule(tries=3, seed=0, seconds=40.0)))
    assert "2 cells, 0 done, 2 to do" in capsys.readouterr().out


def test_settings_are_kept_without_their_store_and_new_rows_are_tuned(
    tuned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, file = tuned / "tuned.toml", tuned / "tuned.settings.toml"
    before = SettingsFile.read(file)
    shutil.rmtree(tuned / "tries")
    path.write_text(path.read_text() + '[method.again]\nbase = "dm"\nipc = [1]\nsteps = 2\nreal_batch = 8\n')
    wanted = replace(request(tuned), keep=True)
    tuning.dry_run(wanted)
    assert "1 cell, 0 done, 1 to do" in capsys.readouterr().out  # to be timed
    assert tuning.tune(wanted)
    after = SettingsFile.read(file)
    assert [each for each in after.chosen if each.row != "again"] == before.chosen
    assert [each.row for each in after.chosen].index("again") == 3 and len(after.chosen[3].tries) == 3


def test_settings_of_another_rule_are_not_kept_nor_those_of_other_values(tuned: Path) -> None:
    with pytest.raises(ValueError, match=r"--keep: .* has another rule \(--tries 3, --seconds 30"):
        tuning.dry_run(replace(request(tuned, Rule(tries=4, seed=0, seconds=30.0)), keep=True))
    path = tuned / "tuned.toml"
    path.write_text(path.read_text().replace("real_batch = 16", "real_batch = 17"))
    wanted = replace(request(tuned), keep=True)
    assert [row.place[0] for row in tuning._checked(wanted).tuned] == ["dm", "dm"]
    path.write_text(TUNED.replace("ncfm-40", "dc-300"))
    assert [row.place[0] for row in tuning._checked(wanted).tuned] == ["dm", "pieces", "dm"]


def test_settings_of_another_space_or_without_a_length_are_not_kept(
    tuned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, file = replace(request(tuned), keep=True), tuned / "tuned.settings.toml"
    assert tuning._checked(wanted).tuned == []
    with monkeypatch.context() as patch:
        patch.setattr(DM, "space", {"image_lr": LogUniform(0.1, 50.0)})
        assert [row.place for row in tuning._checked(wanted).tuned] == [
            ("dm", "digits", 1),
            ("dm", "digits", 2),
        ]
    before = SettingsFile.read(file)
    chosen = [each.without_steps() if each.place == ("dm", "digits", 1) else each for each in before.chosen]
    before.model_copy(update={"chosen": chosen}).write(file)  # as from tries that the seconds stopped
    assert [row.place for row in tuning._checked(wanted).tuned] == [("dm", "digits", 1)]


def test_what_another_run_adds_to_the_file_meanwhile_is_kept(
    tuned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, tell = tuned / "tuned.settings.toml", runner.tell
    before = SettingsFile.read(file)
    other = before.chosen[0].model_copy(update={"row": "other"})

    def add(*jobs: Any, **options: Any) -> bool:
        before.model_copy(update={"chosen": [*before.chosen, other]}).write(file)
        return tell(*jobs, **options)

    monkeypatch.setattr(runner, "tell", add)
    assert tuning.tune(replace(request(tuned), keep=True))
    assert SettingsFile.read(file).chosen == [*before.chosen, other]


def test_settings_chosen_within_another_budget_are_not_kept(tuned: Path) -> None:
    path, file = tuned / "tuned.toml", tuned / "tuned.settings.toml"
    path.write_text(TUNED + "[budget]\ndevice_seconds = [2, 9]\n")
    wanted = replace(request(tuned, Rule(tries=3)), keep=True)
    for spent in (2.0, 9.0):
        SettingsFile.read(file).model_copy(update={"seconds": spent}).write(file)
        if spent == 2:
            with pytest.raises(ValueError, match=r"has another rule \(--tries 3, --seconds 2"):
                tuning._checked(wanted)
    assert tuning._checked(wanted).tuned == [] and tuning._checked(wanted).rule.seconds == 9


def test_settings_of_what_is_not_in_the_grid_are_kept(tuned: Path) -> None:
    path = tuned / "tuned.toml"
    path.write_text(TUNED.replace("ipc = [1, 2]", "ipc = [2]").replace("ipc = [1]", "ipc = [2]"))
    found = tuning._checked(replace(request(tuned), keep=True))
    assert [row.place[0] for row in found.tuned] == ["pieces"]
    assert [size for _, _, size in found.kept] == [2, 2, 1, 1, 1]


class TestOutput:
    def test_it_can_be_written_before_anything_runs(
        self, tuned: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(runner, "work", lambda *_, **__: pytest.fail("it ran"))
        wrong = replace(request(tuned), output=tuned / "tuned.toml" / "settings.toml")
        with pytest.raises(ValueError, match=r"settings\.toml cannot be written: Not a directory; choose an"):
            tuning.tune(wrong)

    def test_it_is_not_the_grid(self, tuned: Path) -> None:
        wrong = tuning.TuningRequest(request(tuned).run, RULE, tuned / "tuned.toml")
        with pytest.raises(ValueError, match="is the grid itself; choose another file"):
            tuning.tune(wrong)

    @pytest.mark.parametrize("text", ["[project]\nname = 'mine'\n", "my notes"])
    def test_nor_a_file_of_another_kind(self, tuned: Path, text: str) -> None:
        (tuned / "mine.toml").write_text(text)
        wrong = tuning.TuningRequest(request(tuned).run, RULE, tuned / "mine.toml")
        with pytest.raises(ValueError, match=r"--output would replace another file: .*mine\.toml"):
            tuning.tune(wrong)
        assert (tuned / "mine.toml").read_text() == text

    def test_by_default_it_is_in_the_store(self, tuned: Path) -> None:
        asked = tuning.TuningRequest(Request("demo"), RULE)
        assert asked.folder == Path("runs/demo-tuning") and asked.file == asked.folder / "settings.toml"


METHOD = """
from dataclasses import dataclass
from typing import ClassVar
from suite.core.spec import Choice
from suite.plugins.methods.dm import DM

@dataclass(frozen=True)
class Mine(DM):
    \"\"\"DM that breaks at one rate.\"\"\"
    steps: int = 100_000
    real_batch: int = 16
    image_lr: float = 0.5
    space: ClassVar = {"image_lr": Choice((0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0))}

    def start(self, train, budget, *, seed):
        if self.image_lr == 2.0:
            raise RuntimeError("broken at this rate")
        return super().start(train, budget, seed=seed)

METHOD = Mine
"""


def test_a_method_is_tuned_without_a_grid_by_halving(tmp_path: Path) -> None:
    path, store = tmp_path / "mine.py", tmp_path / "tries"
    path.write_text(METHOD)
    words = ["tune", path, "--task", "digits", "--ipc", 1, "--tries", 9, "--seconds", 0.9, "--halving"]
    given = [*map(str, words), "--store", str(store), "--inline", "--set", "network=convnet-d1-w8-in"]
    given += ["--set", "evaluator.retrain.recipe=ncfm-40"]
    result = ratbench(*given)
    assert "broken at this rate" in result.output and result.exit_code == 1
    file = SettingsFile.read(store / "settings.toml")
    (chosen,) = file.chosen
    assert (file.tries, file.seconds, file.halving, file.grid) == (9, 0.9, True, "mine")
    assert (chosen.row, chosen.task, chosen.ipc, len(chosen.tries)) == ("mine", "digits", 1, 9)
    seconds = sorted(each.seconds or 0 for each in chosen.tries)
    assert seconds == pytest.approx([0.1] * 6 + [0.3] * 2 + [0.9])
    (broken,) = (each for each in chosen.tries if each.settings["image_lr"] == 2.0)
    assert broken.accuracy is None
    trial = Store(store).record(chosen.trial)
    assert trial is not None and trial.device_seconds <= 0.9 and trial.test_reads == 0

    before = (store / "settings.toml").read_bytes()
    assert "broken at this rate" in ratbench(*given).output, "the failed try is tried again"
    assert (store / "settings.toml").read_bytes() == before

    path.write_text(METHOD.replace("== 2.0", "== 99"))
    again = ratbench(*map(str, words), "--store", str(store), "--dry-run")
    assert "18 to do" in again.output, "an edited method is another one"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dm", "--tries", "3"], "dm is a method: give the images to tune it on, with --task and --ipc"),
        (["dm", "--tries", "3", "--task", "digits"], "with --task and --ipc"),
        (["demo", "--tries", "3", "--task", "digits"], "--task is for a method, but 'demo' is none"),
        (["demo", "--tries", "9", "--halving"], "--halving needs --seconds"),
        (["dmm", "--tries", "3"], "unknown grid 'dmm'"),
    ],
)
def test_what_is_tuned_has_to_be_clear(words: list[str], message: str) -> None:
    refused(ratbench("tune", *words), message)


def test_a_grid_without_anything_to_tune_has_its_file(tmp_path: Path) -> None:
    head, _, rest = TUNED.partition("[method.dm]")
    (tmp_path / "tuned.toml").write_text(head + rest[rest.index("[evaluator") :])
    assert tuning.tune(request(tmp_path))
    chosen = SettingsFile.read(tmp_path / "tuned.settings.toml").chosen
    assert [(each.row, each.ipc, each.tries) for each in chosen] == [
        ("random_subset", 1, []),
        ("random_subset", 2, []),
    ]


def test_a_grid_with_budgets_has_its_own_seconds(tmp_path: Path) -> None:
    first = "[method.random_subset]"
    (tmp_path / "tuned.toml").write_text(TUNED.replace(first, f"budget.device_seconds = [1]\n\n{first}"))
    with pytest.raises(ValueError, match="the grid's budgets stop its tries: leave out"):
        tuning.tune(request(tmp_path))
    halved = ratbench("tune", tmp_path / "tuned.toml", "--tries", "9", "--halving", "--dry-run")
    assert halved.exit_code == 0 and "to do" in halved.output
