"""A row's robustness: from records made by hand to its scores, and to the board."""

import json
from pathlib import Path
from typing import Any

import pytest

from suite.board.columns.robustness import Robustness
from suite.board.dd_ranking import (
    ARS,
    AS_RELABELLED,
    FULL_HARD,
    HARD,
    HLR,
    IOR,
    LRS,
    NATIVE,
    RANDOM_NATIVE,
    RELABELLED_SCORES,
    Weights,
    normalised,
)
from suite.board.files import render
from suite.board.tables import board
from suite.records.cells import Evaluation
from suite.records.jobs import Planned
from suite.records.record import Record
from tests.support.board_records import (
    CPU,
    SMALL,
    STANDARD,
    evaluated,
    full_data,
    pair,
    relabelled,
    rows,
    save,
    trial,
)
from tests.support.command_line import ratbench

IOR_RELABELLED, RELABELLED_NATIVE = RELABELLED_SCORES[IOR], AS_RELABELLED[RANDOM_NATIVE]


def robust(of: Record, kind: str, **changes: Any) -> Record:
    """Return an evaluation by a robust evaluator; scores by name, settings besides."""
    scores: dict[str, tuple[float, ...]] = {
        name: changes.pop(name) for name in ("accuracy", "hard", "plain") if name in changes
    }
    kinds = {"label_robust": {"recipe": "dsa-1000"}, "augmentation_robust": {"augment": "dsa"}}
    settings = {"native_recipe": "dsa-1000", "network": STANDARD, "copies": 2, **kinds[kind], **changes}
    cell = Evaluation(trial=of.cell.id, evaluator=kind, settings=settings, seed=0)
    return Record(
        cell=cell,
        label=of.label,
        task="digits",
        ipc=of.ipc,
        status="done" if scores else "failed",
        scores=scores | {"seconds": (1.0,) * 4},
        test_reads=1,
        provenance=CPU,
    )


def robustness(records: list[Record], name: str, place: int = 0, **changes: Any) -> Robustness:
    return rows(board(records, **changes), place)[name].robustness


class TestBoard:
    def test_hard_labels_and_the_standard_recipe_need_no_further_training(self) -> None:
        records = [*pair("random_subset", (0.30,)), *pair("kip", (0.60,)), full_data(0.85)]
        found = robustness(records, "kip")
        assert found.scores[IOR].mean == pytest.approx(0.30)
        assert found.scores[HLR].mean == pytest.approx(0.25)
        assert found.scores[LRS].mean == pytest.approx(0.2797, abs=5e-5)
        assert found.native_recipe == "dsa-1000" and list(found.missing) == [ARS]
        assert "| `kip` | same | 30.0 | 25.0 | 0.280 |" in render(board(records), "md").splitlines()

    def test_a_weight_is_changed_afterwards(self) -> None:
        records = [*pair("random_subset", (0.30,)), *pair("kip", (0.60,)), full_data(0.85)]
        found = robustness(records, "kip", weights=Weights(label=1.0))
        assert found.scores[LRS].mean == pytest.approx(normalised(0.30))
        text = render(board(records, weights=Weights(label=0.7)), "md")
        assert "α = 0.7 IOR − 0.3 HLR" in text

    def test_the_command_takes_weights(self, tmp_path: Path) -> None:
        save(SMALL, tmp_path)
        shown = ratbench("leaderboard", tmp_path, "--label-weight", "0.7", "--augmentation-weight", "1")
        assert shown.exit_code == 0, shown.output
        assert "α = 0.7 IOR − 0.3 HLR" in shown.stdout and "β = 1 × the gain" in shown.stdout
        assert ratbench("leaderboard", tmp_path, "--label-weight", "1.1").exit_code == 2

    def test_the_random_subset_itself_gains_nothing(self) -> None:
        found = robustness(SMALL, "random_subset").scores
        assert (found[IOR].mean, found[IOR].low, found[IOR].high) == (0, 0, 0)
        assert found[LRS].mean == pytest.approx(normalised(-0.5 * (0.96 - 0.53)))

    def test_soft_labels_and_an_own_recipe_come_from_the_evaluator(self) -> None:
        of, chance = (
            trial("frepo", recipe="rat-bptt-1000", label_kind="soft"),
            pair("random_subset", (0.30, 0.32)),
        )
        native = {"native_recipe": "rat-bptt-1000"}
        own = robust(of, "label_robust", accuracy=(0.70, 0.72), hard=(0.50, 0.54), **native)
        random = robust(chance[0], "label_robust", accuracy=(0.40, 0.42), hard=(0.30, 0.32), **native)
        records = [of, evaluated(of, 0.60), own, *chance, random, full_data(0.90, 0.92)]
        found = robustness(records, "frepo")
        assert found.native_recipe == "rat-bptt-1000"
        means = {training: found.accuracies[training].mean for training in LRS.trainings}
        assert means == pytest.approx({NATIVE: 0.71, RANDOM_NATIVE: 0.41, HARD: 0.52, FULL_HARD: 0.91})
        assert found.scores[IOR].low == pytest.approx(0.30)  # paired by network
        assert found.scores[LRS].mean == pytest.approx(normalised(0.5 * 0.30 - 0.5 * 0.39))
        text = render(board(records), "md")
        assert "| `frepo` ¹ |" in text and "- ¹ its hard labels are the argmax of its soft labels" in text
        assert "- one random subset: intervals of IOR and LRS leave out" in text

    def test_soft_labels_are_never_taken_for_hard_ones(self) -> None:
        of = trial("frepo", label_kind="soft")
        found = robustness([of, evaluated(of, 0.60), *pair("random_subset", (0.3,)), full_data(0.9)], "frepo")
        assert HARD not in found.accuracies and found.scores[IOR].mean == pytest.approx(0.3)
        assert found.missing[LRS] == ("add [evaluator.label_robust]",)

    def test_ars(self) -> None:
        of, chance = trial("kip"), trial("random_subset")
        records = [
            robust(of, "augmentation_robust", accuracy=(0.70, 0.74), plain=(0.6, 0.6)),
            robust(chance, "augmentation_robust", accuracy=(0.40, 0.44), plain=(0.3, 0.4)),
        ]
        found = robustness([of, chance, *records], "kip")
        assert found.scores[ARS].mean == pytest.approx(normalised(0.5 * 0.30 + 0.5 * 0.25))
        text = render(board([of, chance, *records]), "md")
        assert "| method | native % | ARS |" in text
        content = json.loads(render(board([of, chance, *records]), "json"))
        line = next(row for row in content["rows"] if row["name"] == "kip")
        assert line["ars"] == pytest.approx(normalised(0.275), abs=1e-6) and line["random_plain"] == 0.35
        assert line["lrs"] is None and content["weights"] == {"label": 0.5, "augmentation": 0.5}


SOFT = trial("frepo", label_kind="soft")
HARD_RANDOM = pair("random_subset", (0.30, 0.32))


class TestSecondReference:
    """Random images with hard labels, and the same images with a teacher's labels."""

    def test_both_are_told_by_name(self) -> None:
        records = [SOFT, evaluated(SOFT, 0.60, 0.62), *HARD_RANDOM, full_data(0.9)]
        before = robustness(records, "frepo")
        found = robustness([*records, *relabelled((0.40, 0.44))], "frepo")
        assert found.scores[IOR].mean == pytest.approx(0.61 - 0.31)
        assert found.scores[IOR_RELABELLED].mean == pytest.approx(0.61 - 0.42)
        assert found.accuracies[RELABELLED_NATIVE].mean == pytest.approx(0.42)
        assert found.teacher == f"{STANDARD} after 20 epochs of dc-300"
        assert {score: found.scores[score] for score in before.scores} == before.scores
        assert {score: found.missing[score] for score in before.missing} == before.missing

    def test_lrs_and_ars_have_it_too(self) -> None:
        made, chance = relabelled((0.5,)), HARD_RANDOM[0]
        both = {"accuracy": (0.70, 0.70), "plain": (0.60, 0.60)}
        records = [
            SOFT,
            robust(SOFT, "label_robust", accuracy=(0.7, 0.7), hard=(0.5, 0.5)),
            robust(SOFT, "augmentation_robust", **both),
            *HARD_RANDOM,
            robust(chance, "augmentation_robust", accuracy=(0.3, 0.3), plain=(0.2, 0.2)),
            *made,
            robust(made[0], "augmentation_robust", accuracy=(0.4, 0.4), plain=(0.4, 0.4)),
            full_data(0.9),
        ]
        scores = robustness(records, "frepo").scores
        lrs, ars = RELABELLED_SCORES[LRS], RELABELLED_SCORES[ARS]
        assert scores[LRS].mean == pytest.approx(normalised(0.5 * (0.7 - 0.31) - 0.5 * 0.4))
        assert scores[lrs].mean == pytest.approx(normalised(0.5 * (0.7 - 0.5) - 0.5 * 0.4))
        assert scores[ARS].mean == pytest.approx(normalised(0.5 * 0.4 + 0.5 * 0.4))
        assert scores[ars].mean == pytest.approx(normalised(0.5 * 0.3 + 0.5 * 0.2))

    def test_hard_sets_and_the_baseline_are_as_without_it(self) -> None:
        records = [*pair("kip", (0.60,)), *HARD_RANDOM, full_data(0.9)]
        for name in ("kip", "random_subset"):
            assert robustness([*records, *relabelled((0.8, 0.8))], name) == robustness(records, name)

    def test_its_own_row_has_the_gain_by_the_labels(self) -> None:
        found = robustness(
            [*HARD_RANDOM, *relabelled((0.35, 0.37)), full_data(0.9)], "random_relabelled"
        ).scores
        assert found[IOR].mean == pytest.approx(0.05) and found[IOR_RELABELLED].mean == 0

    def test_without_any_on_the_task_nothing_is_asked(self) -> None:
        found = robustness([SOFT, evaluated(SOFT, 0.6), *HARD_RANDOM], "frepo")
        assert not {*RELABELLED_SCORES.values()} & {*found.scores, *found.missing}
        assert found.teacher == ""

    @pytest.mark.parametrize("other", [{"ipc": 1}, {"recipe": "rat-bptt-1000"}])
    def test_of_another_size_or_recipe_it_says_what_is_missing(self, other: dict[str, Any]) -> None:
        records = [SOFT, evaluated(SOFT, 0.6), *HARD_RANDOM, *relabelled((0.8,), **other)]
        found = robustness(records, "frepo", place=1 if "ipc" in other else 0)
        assert found.missing[IOR_RELABELLED] == ("add relabelled = true to [reference]",)
        assert found.scores[IOR].mean == pytest.approx(0.29)

    def test_of_several_teachers_it_is_the_tables_network_trained_longest(self) -> None:
        records = [SOFT, evaluated(SOFT, 0.6), *HARD_RANDOM]
        teachers = [
            *relabelled((0.3,), epochs=5),
            *relabelled((0.4,), epochs=10),
            *relabelled((0.5,), network="convnet-d3-w256-in", epochs=50),
        ]
        found = robustness([*records, *teachers], "frepo")
        assert found.scores[IOR_RELABELLED].mean == pytest.approx(0.2) and "after 10 epochs" in found.teacher


class TestMissing:
    def test_without_references(self) -> None:
        of = trial("kip")
        records = [of, evaluated(of, 0.6), robust(of, "label_robust", accuracy=(0.6, 0.6), hard=(0.6, 0.6))]
        found = robustness(records, "kip")
        assert not {IOR, HLR, LRS} & found.scores.keys()
        assert found.missing[LRS] == ("add random = 3 to [reference]", "add [reference]")
        text = render(board(records), "md")
        assert "LRS of `kip` (`add random = 3 to [reference]`, `add [reference]`)" in text

    def test_a_remedy_is_said_once(self) -> None:
        assert robustness(SMALL, "rat_bptt").missing[ARS] == (
            "add [evaluator.augmentation_robust]",
            "add random = 3 to [reference]",
        )

    def test_nothing_is_shown_where_nothing_was_compared(self) -> None:
        text = render(board(pair("kip", (0.6,))), "md")
        assert "IOR" not in text and "LRS" not in text

    def test_another_recipe_network_or_size_is_no_reference(self) -> None:
        of = trial("kip", recipe="rat-bptt-1000")
        kip = [of, evaluated(of, 0.6), evaluated(of, 0.7, recipe="rat-bptt-1000")]
        others = [*pair("random_subset", (0.3,)), *pair("random_subset", (0.3,), ipc=1)]
        found = robustness([*kip, *others, full_data(0.9, network="convnet-d3-w32-in")], "kip", 1)
        assert IOR not in found.scores and HLR not in found.scores
        assert "add random = 3 to [reference]" in found.missing[IOR]

    def test_what_failed_is_said_to_be_planned(self) -> None:
        of = trial("frepo", label_kind="soft")
        found = robustness([of, evaluated(of, 0.6), robust(of, "label_robust")], "frepo")
        assert found.missing[HLR] == ("add [reference]", "label_robust is planned, not done")
        planned = robust(of, "label_robust")
        cells = [Planned(label="frepo", task="digits", ipc=10, cell=planned.cell)]
        waiting = robustness([of, evaluated(of, 0.6)], "frepo", planned=cells)
        assert "label_robust is planned, not done" in waiting.missing[HLR]

    def test_a_diverged_row_and_one_of_an_unknown_recipe(self) -> None:
        records = [*SMALL, trial("kip", status="diverged")]
        assert robustness(records, "kip").missing[LRS] == ("there is no set to train on",)
        of = trial("external:x", recipe="")
        found = robustness([*SMALL, of, evaluated(of, 0.6)], "external:x")
        assert found.scores[HLR].mean == pytest.approx(0.36)
        assert found.missing[IOR] == ("the native recipe of its method is unknown",)

    def test_an_incomplete_row_says_of_how_many_seeds(self) -> None:
        found = robustness([*SMALL, trial("rat_bptt", seed=2)], "rat_bptt")
        assert found.remarks == ("incomplete: accuracies of 2 of 3 seeds",)
