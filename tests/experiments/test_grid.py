"""Grid files: what they expand to, and what is refused."""

import hashlib
from pathlib import Path

import pytest

from suite.experiments import grid, preflight
from suite.experiments.resources import Resources
from suite.experiments.tables import grid_files
from suite.records.cells import Evaluation, Reference, Trial
from suite.records.jobs import Job, Plan
from tests.support import broken_files


def trials(path: Path, *settings: str) -> list[Trial]:
    found = grid.jobs(grid.load(path, settings))
    return [job.cell for job in found if isinstance(job.cell, Trial)]


def extended(path: Path, text: str) -> Path:
    path.write_text(path.read_text() + text)
    return path


def replaced(path: Path, old: str, new: str) -> Path:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return path


@pytest.mark.parametrize("name", grid_files.names())
def test_the_grids_that_come_with_the_package_expand(name: str) -> None:
    assert grid.jobs(grid.load(grid_files.locate(name)))


def test_a_grid_is_the_product_of_tasks_sizes_methods_and_seeds(tiny: Path) -> None:
    replaced(tiny, "ipc = [1]", "ipc = [1, 2]")
    replaced(tiny, "seeds = [0]", "seeds = [0, 1, 2]")
    extended(tiny, "\n[reference]\nepochs = 2\n")
    jobs = grid.jobs(grid.load(tiny))
    assert isinstance(jobs[0].cell, Reference)
    order = [(job.ipc, job.label, job.cell.seed) for job in jobs[1:]]
    assert order == [(i, m, s) for i in (1, 2) for m in ("random_subset", "rat_bptt") for s in (0, 1, 2)]
    assert len(Plan.of(jobs).cells) == 1 + 2 * len(order)


def test_lists_become_rows(tiny: Path) -> None:
    replaced(tiny, "window = 2", "window = [1, 2]\nouter_lr = [0.1, 0.2]")
    found = [t.hyperparameters for t in trials(tiny) if t.method == "rat_bptt"]
    assert [(h["window"], h["outer_lr"]) for h in found] == [(1, 0.1), (1, 0.2), (2, 0.1), (2, 0.2)]


def test_one_method_can_stand_in_several_rows(tiny: Path) -> None:
    extended(tiny, '\n[method.t_bptt]\nbase = "rat_bptt"\ntruncation = "fixed"\n')
    found = {job.label: job.cell for job in grid.jobs(grid.load(tiny))}
    assert isinstance(found["t_bptt"], Trial) and found["t_bptt"].method == "rat_bptt"


def test_exceptions_hold_where_they_say(tiny: Path) -> None:
    replaced(tiny, "ipc = [1]", "ipc = [1, 2]")
    extended(tiny, "\n[[method.rat_bptt.where]]\nipc = 2\nwindow = 3\n")
    found = {t.ipc: t.hyperparameters["window"] for t in trials(tiny) if t.method == "rat_bptt"}
    assert found == {1: 2, 2: 3}
    set_by_hand = trials(tiny, "method.rat_bptt.window=4")
    assert {t.hyperparameters["window"] for t in set_by_hand if t.method == "rat_bptt"} == {4}


def test_the_papers_settings_fill_what_a_grid_leaves_open(tiny: Path) -> None:
    replaced(tiny, '"digits"', '"cifar100-zca"')
    replaced(tiny, "unroll = 4\nwindow = 2\n", "")
    found = next(t.hyperparameters for t in trials(tiny) if t.method == "rat_bptt")
    assert (found["window"], found["unroll"], found["truncation"]) == (100, 300, "random")
    assert found["steps"] == 4 and found["network"] == "convnet-d1-w8-in"


def test_settings_are_toml_or_text(tiny: Path) -> None:
    found = trials(tiny, "method.rat_bptt.outer_lr=0.5", "method.rat_bptt.augment=none", "seeds=[7]")
    assert {t.seed for t in found} == {7}
    assert found[1].hyperparameters["outer_lr"] == 0.5 and found[1].hyperparameters["augment"] == "none"


def test_native_is_each_methods_own_recipe_and_seeds_are_shared(tiny: Path) -> None:
    replaced(tiny, '["rat-bptt-1000"]', '["dsa-1000", "native"]')
    jobs = {job.label: job.evaluations for job in grid.jobs(grid.load(tiny))}
    recipes = {label: [cell.settings["recipe"] for cell in cells] for label, cells in jobs.items()}
    assert recipes == {"random_subset": ["dsa-1000"], "rat_bptt": ["dsa-1000", "rat-bptt-1000"]}
    assert len({cell.seed for cells in jobs.values() for cell in cells}) == 1


def natives(text: str, tmp_path: Path) -> dict[tuple[str, str, int], list[str]]:
    """Return the recipes of each row's evaluations by (row, task, ipc), and check those that records name."""
    path = tmp_path / "natives.toml"
    path.write_text(text)
    found = {}
    for job in grid.jobs(grid.load(path)):
        if isinstance(job.cell, Trial):
            recipes = [cell.settings["recipe"] for cell in job.evaluations]
            assert job.recipe in recipes
            found[job.label, job.cell.task, job.ipc] = recipes
    return found


def test_a_native_recipe_depends_on_the_task_and_the_size(tmp_path: Path) -> None:
    found = natives(
        """
        title = "Natives"
        tasks = ["mnist", "fashion-mnist", "svhn"]
        ipc = [1, 10]
        seeds = [0]
        [method.dc]
        [method.dsa]
        [method.idc]
        [method.idc_i]
        [evaluator.retrain]
        recipe = "native"
        [reference]
        random = 1
        epochs = 1
        """,
        tmp_path,
    )
    mnist = {"dc": "dc-mnist-1000", "dsa": "dsa-1000", "idc": "idc-mnist-1000", "idc_i": "idc-1000-v2"}
    usual = {"dc": "dc-300", "dsa": "dsa-1000", "idc": "idc-1000-v2", "idc_i": "idc-1000-v2"}
    for ipc in (1, 10):
        svhn = usual | ({"idc_i": "idc-svhn-1000"} if ipc == 1 else {})
        for task, recipes in (("mnist", mnist), ("fashion-mnist", usual), ("svhn", svhn)):
            assert {label: found[label, task, ipc] for label in usual} == {
                label: [recipe] for label, recipe in recipes.items()
            }
            # The random subset is compared with every row, under the recipes of this task and size.
            assert set(found["random_subset", task, ipc]) == set(recipes.values())


def test_an_id_is_the_sha256_of_canonical_json_and_protocol() -> None:
    cell = Evaluation(trial="ab", evaluator="retrain", settings={"b": 1, "a": 0.5}, seed=3)
    text = (
        '{"evaluator":"retrain","kind":"evaluation","protocol":2,"seed":3,'
        '"settings":{"a":0.5,"b":1},"trial":"ab"}'
    )
    assert cell.id == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ipc = [1]", "ipcs = [1]", "unknown key 'ipcs'; did you mean 'ipc'?"),
        ("[method.rat_bptt]", "[method.rat_bpt]", "unknown method 'rat_bpt'; did you mean 'rat_bptt'?"),
        (
            "[evaluator.retrain]",
            "[evaluator.retrian]",
            "unknown evaluator 'retrian'; did you mean 'retrain'?",
        ),
        ('"digits"', '"digit"', "digits"),
        (
            'recipe = ["rat-bptt-1000"]',
            'recipe = "rat-bt"',
            "unknown recipe 'rat-bt'; did you mean 'rat-bptt-1000'?",
        ),
        ("window = 2", "windw = 2", "method.rat_bptt: unknown key 'windw'; did you mean 'window'?"),
        ("window = 2", "window = 5", "window 5 is longer than the unroll 4; lower window or raise unroll"),
        ("window = 2", 'window = "two"', "window = 'two'"),
        ("steps = 4", "steps = true", "steps = True"),
        ("steps = 4", "steps = 4.5", "steps = 4.5"),
        ("window = 2", 'truncation = "half"', "truncation = 'half'"),
        ("ipc = [1]", "ipc = [1, 1]", "ipc [1, 1]: duplicate value"),
        ("seeds = [0]", "seeds = []", "seeds: list should have at least 1 item"),
        ("ipc = [1]", "ipc = [0]", "ipc.0: input should be greater than 0"),
        ("convnet-d1-w8-in", "convnet-d1-w8-xx", "names of this family are"),
    ],
)
def test_a_mistake_is_named_with_the_nearest_right_word(
    tiny: Path, resources: Resources, old: str, new: str, message: str
) -> None:
    replaced(tiny, old, new)
    with pytest.raises(ValueError) as error:
        jobs = grid.jobs(grid.load(tiny))
        preflight.check(jobs, resources)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("window", "write key.key=value"),
        ("method.rat_btt.window=3", "unknown key 'rat_btt'; did you mean 'rat_bptt'?"),
        ("method.rat_bptt.windw=3", "unknown key 'windw'; did you mean 'window'?"),
    ],
)
def test_a_wrong_setting_is_refused(tiny: Path, setting: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        trials(tiny, setting)
    assert message in str(error.value)


def test_an_evaluator_can_stand_in_several_tables(tiny: Path) -> None:
    extended(tiny, '\n[evaluator.cheap]\nbase = "retrain"\nrecipe = "dc-300"\n')
    cells = grid.jobs(grid.load(tiny))[0].evaluations
    assert [(cell.evaluator, cell.base) for cell in cells] == [("retrain", ""), ("cheap", "retrain")]
    assert [cell.settings["recipe"] for cell in cells] == ["rat-bptt-1000", "dc-300"]


def test_snapshots_need_a_known_number_of_outer_steps(tiny: Path) -> None:
    path = tiny.with_name("unplanned.py")
    path.write_text(broken_files.UNPLANNED)
    replaced(tiny, "seeds = [0]", "seeds = [0]\nsnapshots = [0, 0.5]")
    extended(tiny, f'\n[method.unplanned]\nbase = "{path}"\n')
    with pytest.raises(ValueError, match=r"snapshots \[0.0, 0.5\]: method.unplanned does not know its"):
        grid.jobs(grid.load(tiny))


def test_malformed_toml_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('title = "x"\nipc = [1,\ntasks = = 3\n')
    with pytest.raises(ValueError, match=r"bad\.toml: .*line 3"):
        grid.load(path)


def test_two_rows_of_the_same_trials_are_refused(tiny: Path) -> None:
    extended(tiny, '\n[method.again]\nbase = "random_subset"\n')
    with pytest.raises(
        ValueError, match="rows 'random_subset' and 'again' of the grid are equal; remove one"
    ):
        grid.jobs(grid.load(tiny))


def test_an_exception_says_where_it_holds(tiny: Path) -> None:
    extended(tiny, "\n[[method.rat_bptt.where]]\nwindow = 3\n")
    with pytest.raises(ValueError, match="needs `task` or `ipc`"):
        grid.jobs(grid.load(tiny))


def test_a_value_given_twice_is_refused(tiny: Path) -> None:
    replaced(tiny, "window = 2", "window = [2, 3, 2]")
    with pytest.raises(ValueError, match=r"method.rat_bptt: window \[2, 3, 2\]: duplicate value 2"):
        grid.jobs(grid.load(tiny))


def test_a_file_that_is_not_there_is_called_so() -> None:
    with pytest.raises(ValueError, match=r"no file 'mine\.toml'"):
        grid_files.locate("mine.toml")


def test_an_unknown_grid_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="unknown grid 'dmeo'; did you mean 'demo'"):
        grid_files.locate("dmeo")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "[method.rat_bptt.where]\nipc = 1\nwindow = 3",
            "method.rat_bptt.where: write [[method.….where]], with two brackets",
            id="where with single brackets",
        ),
        pytest.param(
            '[[method.rat_bptt.where]]\ntask = "digist"\nwindow = 3',
            "'digist'",
            id="where for another task",
        ),
        pytest.param(
            '[[method.rat_bptt.where]]\nipc = "1"\nwindow = 3',
            "method.rat_bptt.where.0.ipc: input should be a valid integer",
            id="where for an ipc of a wrong type",
        ),
        pytest.param(
            "[method.mine]\nbase = 3",
            "method.mine.base: input should be a valid string",
            id="base of a wrong type",
        ),
        pytest.param(
            '[method."a/b"]\nbase = "herding"',
            "'a/b'",
            id="slash in a row's name",
        ),
        pytest.param(
            '[method.".."]\nbase = "herding"',
            "'..'",
            id="dots as a row's name",
        ),
        pytest.param(
            '[method.full_data]\nbase = "herding"\n[reference]\nepochs = 1',
            "full_data",
            id="the reference's name",
        ),
        pytest.param(
            "[reference]\nepoch = 1",
            "did you mean 'epochs'?",
            id="unknown key of the reference",
        ),
    ],
)
def test_a_table_that_is_no_good_is_refused(tiny: Path, text: str, message: str) -> None:
    extended(tiny, f"\n{text}\n")
    with pytest.raises(ValueError) as error:
        grid.jobs(grid.load(tiny))
    assert message in str(error.value)


@pytest.mark.parametrize(
    "value",
    [
        "[]",
        "nan",
        "inf",
        "2026-01-01",
    ],
)
def test_a_value_that_no_trial_can_have_is_refused(tiny: Path, value: str) -> None:
    with pytest.raises(ValueError, match="outer_lr"):
        trials(tiny, f"method.rat_bptt.outer_lr={value}")


def test_a_job_comes_back_from_its_json_with_the_same_id(tiny: Path) -> None:
    for job in grid.jobs(grid.load(tiny)):
        assert Job.model_validate_json(job.model_dump_json()).id == job.id


def test_a_grid_alone_gives_its_ids_whatever_else_stands_in_it(tiny: Path) -> None:
    before = {trial.id for trial in trials(tiny)}
    replaced(tiny, "[method.random_subset]", "[method.herding]\n\n[method.random_subset]")
    replaced(tiny, "seeds = [0]", "seeds = [1, 0]")
    assert before < {trial.id for trial in trials(tiny)}


SIZES = """
title = "Images of several sizes"
tasks = ["fashion-mnist", "cifar10-zca", "tiny-imagenet-zca", "imagenette-128"]
ipc = [10]
seeds = [0]

[method.random_subset]
[method.rat_bptt]
[method.frepo]
[method.mtt]
[method.dm]

[evaluator.retrain]
[evaluator.cross_architecture]

[reference]
epochs = 1
"""


@pytest.fixture
def sizes(tmp_path: Path) -> Path:
    path = tmp_path / "sizes.toml"
    path.write_text(SIZES)
    return path


def networks_by_task(path: Path) -> dict[str, set[str]]:
    """Return every network of a grid's methods, evaluators and references, by task."""
    found: dict[str, set[str]] = {}
    for job in grid.jobs(grid.load(path)):
        own = found.setdefault(job.cell.task, set())
        if isinstance(job.cell, Reference):
            own.add(job.cell.network)
        if isinstance(job.cell, Trial) and "network" in job.cell.hyperparameters:
            own.add(job.cell.hyperparameters["network"])
        own |= {cell.settings["network"] for cell in job.evaluations}
    return found


def test_a_task_has_one_network_for_the_size_of_its_images(sizes: Path) -> None:
    assert networks_by_task(sizes) == {
        "fashion-mnist": {"convnet-d3-w128-in"},
        "cifar10-zca": {"convnet-d3-w128-in"},
        "tiny-imagenet-zca": {"convnet-d4-w128-in"},
        "imagenette-128": {"convnet-d5-w128-in"},
    }


def test_a_grid_that_names_a_network_has_it_for_every_size(sizes: Path) -> None:
    replaced(sizes, "seeds = [0]", 'seeds = [0]\nnetwork = "convnet-d3-w16-in"')
    assert set().union(*networks_by_task(sizes).values()) == {"convnet-d3-w16-in"}


def test_a_row_runs_on_its_tasks_with_their_references(tiny: Path) -> None:
    replaced(tiny, 'tasks = ["digits"]', 'tasks = ["digits", "mnist"]')
    replaced(tiny, '["rat-bptt-1000"]', '"native"')
    replaced(tiny, "steps = 4", 'steps = 4\ntasks = ["mnist"]')
    extended(tiny, "\n[reference]\nepochs = 1\nrandom = 1\n")
    found: dict[tuple[str, str], set[str]] = {}
    for job in grid.jobs(grid.load(tiny)):
        recipes = {cell.settings["recipe"] for cell in job.evaluations}
        found[job.cell.task, job.label] = recipes
    assert found == {
        ("digits", "full_data"): set(),
        ("digits", "random_subset"): {"dsa-1000"},  # its own: nothing else runs there
        ("mnist", "full_data"): set(),
        ("mnist", "random_subset"): {"dsa-1000", "rat-bptt-1000"},
        ("mnist", "rat_bptt"): {"rat-bptt-1000"},
    }


def test_a_rows_tasks_are_among_the_grids(tiny: Path) -> None:
    replaced(tiny, "steps = 4", 'steps = 4\ntasks = ["mnist"]')
    message = r"method.rat_bptt: tasks \['mnist'\] is not among the grid's, \['digits'\]; add it there"
    with pytest.raises(ValueError, match=message):
        grid.jobs(grid.load(tiny))


def test_the_network_reaches_only_those_that_have_one(tiny: Path) -> None:
    found = {trial.method: trial.hyperparameters.get("network") for trial in trials(tiny)}
    assert found == {"random_subset": None, "rat_bptt": "convnet-d1-w8-in"}


@pytest.mark.parametrize("setting", ["ipc=3", "seeds=0", 'tasks="digits"', "title=3", "network=3"])
def test_a_setting_of_the_wrong_type_names_its_key(tiny: Path, setting: str) -> None:
    with pytest.raises(
        ValueError, match=rf"tiny\.toml: {setting.partition('=')[0]}: input should be a valid"
    ):
        trials(tiny, setting)
