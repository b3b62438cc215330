from suite.board.join import join
from suite.core.scores import Score
from suite.records.cells import Evaluation
from suite.records.record import Record
from suite.site.details import scores
from tests.support.board_records import CPU, STANDARD, evaluated, trial


def lines(*records: Record) -> list[scores.Line]:
    (result,) = join(records, ()).trials
    return scores.lines(result)


def other(of: Record, values: dict[str, tuple[float, ...]], *described: Score, **changes: object) -> Record:
    settings = {"network": STANDARD, "recipe": "dsa-1000", "levels": 2}
    cell = Evaluation(trial=of.cell.id, evaluator="noise", settings=settings, seed=0)
    found = Record(
        cell=cell, label=of.label, task="digits", ipc=of.ipc, status="done", scores=values,
        described=described, title="Under noise", provenance=CPU,
    )  # fmt: skip
    return found.model_copy(update=changes)


def test_every_evaluator_and_part_has_its_lines() -> None:
    of = trial("dm")
    noise = other(
        of, {"accuracy/a/1": (0.4,), "accuracy/a/2": (0.2,), "accuracy/b": (0.1,)}, Score("accuracy/*", "{}")
    )
    found = lines(of, evaluated(of, 0.5, 0.6), evaluated(of, 0.3, ipc=1), noise)
    told = [(each.evaluator, each.part, each.score, each.value, each.networks) for each in found]
    assert told == [
        ("Under noise", "whole set", "a", "30.0", "1"),
        ("Under noise", "whole set", "b", "10.0", "1"),
        ("Retrained networks", "whole set", "accuracy", "55.0 [50.0, 60.0]", "2"),
        ("Retrained networks", "first 1", "accuracy", "30.0", "1"),
    ]
    assert found[0].network == STANDARD and found[0].how == "levels=2, recipe=dsa-1000"
    assert found[2].how == "dsa-1000"


def test_a_choice_is_named() -> None:
    of = trial("dm")
    (line,) = lines(of, other(of, {"chosen/dc-300": (1.0,)}, Score("chosen/*", "{}", unit="choice")))
    assert (line.score, line.value) == ("chosen", "dc-300")


def test_scores_without_a_description_keep_their_names() -> None:
    of = trial("dm")
    (line,) = lines(of, other(of, {"margin": (0.25,)}))
    assert (line.score, line.value) == ("margin", "0.25")


def test_a_failed_evaluation_says_so() -> None:
    of = trial("dm")
    (line,) = lines(of, evaluated(of, status="oom", error="out of memory"))
    assert (line.value, line.networks) == ("oom", "")
