"""LRS and ARS by hand, from accuracies to scores and to the board."""

import json
from math import e, exp
from pathlib import Path
from typing import Any

import pytest

from suite.board.dd_ranking import Compared
from suite.board.files import board, render
from suite.board.statistics.differences import Copies, Scored, combination, difference
from suite.board.statistics.robustness import Weights, augmentation_robust, label_robust, normalised
from suite.records.cells import Evaluation
from suite.records.jobs import Planned
from suite.records.record import Record
from tests.support.board_records import CPU, SMALL, STANDARD, evaluated, full_data, pair, rows, save, trial
from tests.support.command_line import ratbench


def scored(*values: float, seed: int = 0) -> Scored:
    return {seed + place: Copies(place, (value,)) for place, value in enumerate(values)}


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


def compared(records: list[Record], name: str, place: int = 0, **changes: Any) -> Compared:
    return rows(board(records, **changes), place)[name].compared


class TestByHand:
    def test_full_85_synthetic_60_random_30(self) -> None:
        synthetic, random, full = scored(0.60), scored(0.30), scored(0.85, seed=9)
        found = label_robust(synthetic, random, synthetic, full, weight=0.5)
        assert found.mean == pytest.approx(0.2797, abs=5e-5)
        assert found.mean == pytest.approx((exp(0.025) - 1 / e) / (e - 1 / e))

    def test_ends_and_middle(self) -> None:
        assert (normalised(-1), normalised(1)) == (0, 1)
        assert normalised(0) == pytest.approx(0.26894, abs=1e-5)

    def test_weights(self) -> None:
        own, random, hard, full = (scored(value) for value in (0.7, 0.3, 0.5, 0.9))
        found = {w: label_robust(own, random, hard, full, weight=w).mean for w in (0, 0.25, 1)}
        wanted = {0: normalised(-0.4), 0.25: normalised(0.25 * 0.4 - 0.75 * 0.4), 1: normalised(0.4)}
        assert found == pytest.approx(wanted)
        aided = augmentation_robust(own, random, hard, scored(0.4), weight=0.25)
        assert aided.mean == pytest.approx(normalised(0.25 * 0.4 + 0.75 * 0.1))

    @pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
    def test_a_weight_outside_is_refused(self, weight: float) -> None:
        with pytest.raises(ValueError, match=r"label weight .* must lie between 0 and 1"):
            Weights(label=weight)

    def test_the_interval_is_that_of_the_sum_normalised(self) -> None:
        own, random = scored(0.6, 0.8), scored(0.3, 0.4)
        found = label_robust(own, random, own, scored(0.9, seed=9), weight=1.0)
        plain = difference(own, random)
        assert (found.low, found.high) == pytest.approx((normalised(plain.low), normalised(plain.high)))


class TestWeightedSums:
    def test_a_sum_of_differences_is_their_difference(self) -> None:
        """α of a set whose own recipe is the standard one: w + (1 - w) of the set, paired with itself."""
        own, random = scored(0.6, 0.8), scored(0.3, 0.4)
        whole = combination([(0.5, own), (-1.0, random), (0.5, own)])
        plain = difference(own, random)
        assert (whole.mean, whole.low, whole.high) == (plain.mean, plain.low, plain.high)
        assert whole.paired == 2

    def test_what_is_nobodys_distillation_is_drawn_apart(self) -> None:
        own = scored(0.6, 0.8)
        full = {-1: Copies(-1, (0.9, 0.94))}
        found = combination([(1.0, full), (-1.0, own)])
        assert found.mean == pytest.approx(0.22) and found.paired == 0
        assert (found.low, found.high) == pytest.approx((0.1, 0.34))  # .9 - .8 and .94 - .6


class TestBoard:
    def test_hard_labels_and_the_standard_recipe_need_no_further_training(self) -> None:
        records = [*pair("random_subset", (0.30,)), *pair("kip", (0.60,)), full_data(0.85)]
        found = compared(records, "kip")
        assert found.scores["ior"].mean == pytest.approx(0.30)
        assert found.scores["hlr"].mean == pytest.approx(0.25)
        assert found.scores["lrs"].mean == pytest.approx(0.2797, abs=5e-5)
        assert found.own == "dsa-1000" and list(found.missing) == ["ars"]
        line = next(line for line in render(board(records), "md").splitlines() if line.endswith("0.280 |"))
        wanted = "| `kip` | 60.0 (dsa-1000) | 30.0 ¹ | 30.0 | 60.0 | 85.0 ² | 25.0 | 0.280 |"
        assert " ".join(line.split()) == wanted

    def test_a_weight_is_changed_afterwards(self) -> None:
        records = [*pair("random_subset", (0.30,)), *pair("kip", (0.60,)), full_data(0.85)]
        found = compared(records, "kip", weights=Weights(label=1.0))
        assert found.scores["lrs"].mean == pytest.approx(normalised(0.30))
        text = render(board(records, weights=Weights(label=0.7)), "md")
        assert "α = 0.7 IOR − 0.3 HLR" in text

    def test_the_command_takes_weights(self, tmp_path: Path) -> None:
        save(SMALL, tmp_path)
        shown = ratbench("leaderboard", tmp_path, "--label-weight", "0.7", "--augmentation-weight", "1")
        assert shown.exit_code == 0, shown.output
        assert "α = 0.7 IOR − 0.3 HLR" in shown.stdout and "β = 1 × the gain" in shown.stdout
        assert ratbench("leaderboard", tmp_path, "--label-weight", "1.1").exit_code == 2

    def test_the_random_subset_itself_gains_nothing(self) -> None:
        found = compared(SMALL, "random_subset").scores
        assert (found["ior"].mean, found["ior"].low, found["ior"].high) == (0, 0, 0)
        assert found["lrs"].mean == pytest.approx(normalised(-0.5 * (0.96 - 0.53)))

    def test_soft_labels_and_an_own_recipe_come_from_the_evaluator(self) -> None:
        of, chance = (
            trial("frepo", recipe="rat-bptt-1000", label_kind="soft"),
            pair("random_subset", (0.30, 0.32)),
        )
        native = {"native_recipe": "rat-bptt-1000"}
        own = robust(of, "label_robust", **native, accuracy=(0.70, 0.72), hard=(0.50, 0.54))
        random = robust(chance[0], "label_robust", **native, accuracy=(0.40, 0.42), hard=(0.30, 0.32))
        records = [of, evaluated(of, 0.60), own, *chance, random, full_data(0.90, 0.92)]
        found = compared(records, "frepo")
        assert found.own == "rat-bptt-1000"
        means = {name: found.accuracies[name].mean for name in ("own", "random", "hard", "full")}
        assert means == pytest.approx({"own": 0.71, "random": 0.41, "hard": 0.52, "full": 0.91})
        assert found.scores["ior"].low == pytest.approx(0.30)  # paired by network
        assert found.scores["lrs"].mean == pytest.approx(normalised(0.5 * 0.30 - 0.5 * 0.39))
        text = render(board(records), "md")
        assert "- ² hard labels are the argmax of its soft ones" in text
        assert "- ¹ one random subset: how much another one differs" in text

    def test_soft_labels_are_never_taken_for_hard_ones(self) -> None:
        of = trial("frepo", label_kind="soft")
        found = compared([of, evaluated(of, 0.60), *pair("random_subset", (0.3,)), full_data(0.9)], "frepo")
        assert "hard" not in found.accuracies and found.scores["ior"].mean == pytest.approx(0.3)
        assert (
            found.missing["lrs"]
            == "not trained with hard labels under dsa-1000: add [evaluator.label_robust]"
        )

    def test_ars(self) -> None:
        of, chance = trial("kip"), trial("random_subset")
        records = [
            robust(of, "augmentation_robust", accuracy=(0.70, 0.74), plain=(0.6, 0.6)),
            robust(chance, "augmentation_robust", accuracy=(0.40, 0.44), plain=(0.3, 0.4)),
        ]
        found = compared([of, chance, *records], "kip")
        assert found.scores["ars"].mean == pytest.approx(normalised(0.5 * 0.30 + 0.5 * 0.25))
        text = render(board([of, chance, *records]), "md")
        assert "With and without augmentation, against random subsets:" in text
        content = json.loads(render(board([of, chance, *records]), "json"))
        line = next(row for row in content["rows"] if row["name"] == "kip")
        assert line["ars"] == pytest.approx(normalised(0.275), abs=1e-6) and line["random_plain"] == 0.35
        assert line["lrs"] is None and content["weights"] == {"label": 0.5, "augmentation": 0.5}


class TestMissing:
    def test_without_references(self) -> None:
        of = trial("kip")
        records = [of, evaluated(of, 0.6), robust(of, "label_robust", accuracy=(0.6, 0.6), hard=(0.6, 0.6))]
        found = compared(records, "kip")
        assert not {"ior", "hlr", "lrs"} & found.scores.keys()
        assert found.missing["lrs"] == (
            "no random subset trained under dsa-1000: add random = 3 to [reference]; "
            "no full data trained under dsa-1000: add [reference]"
        )
        text = render(board(records), "md")
        assert "missing ¹" in text and f"- ¹ {found.missing['ior']}" in text

    def test_nothing_is_shown_where_nothing_was_compared(self) -> None:
        text = render(board(pair("kip", (0.6,))), "md")
        assert "IOR" not in text and "LRS" not in text

    def test_another_recipe_network_or_size_is_no_reference(self) -> None:
        of = trial("kip", recipe="rat-bptt-1000")
        kip = [of, evaluated(of, 0.6), evaluated(of, 0.7, recipe="rat-bptt-1000")]
        others = [*pair("random_subset", (0.3,)), *pair("random_subset", (0.3,), ipc=1)]
        found = compared([*kip, *others, full_data(0.9, network="convnet-d3-w32-in")], "kip", 1)
        assert "ior" not in found.scores and "hlr" not in found.scores
        assert "no random subset trained under rat-bptt" in found.missing["ior"]

    def test_what_failed_is_said_to_be_asked_for(self) -> None:
        of = trial("frepo", label_kind="soft")
        found = compared([of, evaluated(of, 0.6), robust(of, "label_robust")], "frepo")
        assert "label_robust is asked for and not done" in found.missing["hlr"]
        planned = robust(of, "label_robust")
        cells = [Planned(label="frepo", task="digits", ipc=10, cell=planned.cell)]
        assert "asked for" in compared([of, evaluated(of, 0.6)], "frepo", planned=cells).missing["hlr"]

    def test_a_diverged_row_and_one_of_an_unknown_recipe(self) -> None:
        records = [*SMALL, trial("kip", status="diverged")]
        assert compared(records, "kip").missing["lrs"].startswith("there is no set to train on")
        of = trial("external:x", recipe="")
        found = compared([*SMALL, of, evaluated(of, 0.6)], "external:x")
        assert found.scores["hlr"].mean == pytest.approx(0.36)
        assert found.missing["ior"] == "the recipe of its own method is not known"

    def test_an_incomplete_row_says_of_how_many_seeds(self) -> None:
        found = compared([*SMALL, trial("rat_bptt", seed=2)], "rat_bptt")
        assert found.remarks == ("incomplete: accuracies of 2 of 3 seeds",)
