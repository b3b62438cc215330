"""The pages of a submission as Markdown: its README.md, and the report of its verification.

All text from its authors is plain by `suite.records.submission`; lines on the set stand in blocks of code.
"""

from collections.abc import Iterator, Sequence

from suite.board.statistics.intervals import interval
from suite.core.names import counted
from suite.records.cells import STANDARD_RECIPE
from suite.records.record import Record
from suite.records.submission import ABOUT, MANIFEST, SET, Claim, Submission
from suite.submissions.leaks import RATIO
from suite.submissions.outcome import Outcome


def readme(own: Submission) -> str:
    """Return the page of a submission, made from its facts."""
    claim = own.claim
    how = "measured by `ratbench submit`" if claim.measured else "as stated by its authors"
    lines = [
        f"# {own.title}",
        f"A distilled set for `{own.task}`, {counted(own.ipc, 'image')} per class. **Claimed** accuracy: "
        f"{_accuracy(claim)} with recipe `{claim.recipe}` on `{claim.network}`, "
        f"{counted(claim.copies, 'retrained network')}, {how}. A claim is not ranked before it is verified.",
        "\n".join(_facts(own)),
        f"`{SET}` is the set, `{MANIFEST}` its manifest with a loader, `{ABOUT}` has these facts and the "
        "sha256 of each file. Verify it:",
        f"```\nratbench verify results/submissions/{own.name} --output report\n```",
    ]
    return "\n\n".join(lines) + "\n"


def report(outcome: Outcome) -> str:
    """Return the public report of a verification."""
    own, reason = outcome.submission, outcome.reason
    verdict = f"**Refused**: {reason}." if reason else "**Verified**."
    parts = [
        f"# {'Refused' if reason else 'Verified'}: {own.title}",
        f"`{own.name}` on `{own.task}`, {counted(own.ipc, 'image')} per class. {verdict}",
    ]
    if outcome.judgement:
        parts += [_table(own.claim, outcome.evaluations), *_judged(outcome)]
    parts += [
        "## Test images",
        *_leaks(outcome),
        "## Facts",
        "\n".join([*_facts(own), *_provenance(outcome)]),
    ]
    parts += ["What was read:", "\n".join(f"    {line}" for line in outcome.lines)]
    return "\n\n".join(parts) + "\n"


def _facts(own: Submission) -> Iterator[str]:
    yield f"- paper: <{own.paper}>"
    yield f"- code: <{own.code}>"
    yield f"- licence: {own.licence}"
    yield f"- Signed-off-by: `{own.signed_off_by}`"
    if own.device_seconds is not None or own.device:
        seconds = "" if own.device_seconds is None else f"{own.device_seconds:g} device-seconds"
        yield f"- distilled in: {' on '.join(filter(None, [seconds, own.device]))}, as its authors say"
    yield f"- data: `{own.data}`"


def _accuracy(claim: Claim) -> str:
    if claim.low is None or claim.high is None:
        return f"{100 * claim.accuracy:.1f}%"
    return f"{100 * claim.accuracy:.1f}% [{100 * claim.low:.1f}, {100 * claim.high:.1f}]"


def _table(claim: Claim, evaluations: Sequence[Record]) -> str:
    lines = [
        "| | recipe | network | accuracy | networks |",
        "|---|---|---|---|---|",
        f"| claimed | `{claim.recipe}` | `{claim.network}` | {_accuracy(claim)} | {claim.copies} |",
    ]
    for record in evaluations:
        values, settings = record.scores["accuracy"], getattr(record.cell, "settings", {})
        found = interval([values])
        ends = f"{100 * found.mean:.1f}% [{100 * found.low:.1f}, {100 * found.high:.1f}]"
        lines.append(
            f"| verified | `{settings['recipe']}` | `{settings['network']}` | {ends} | {len(values)} |"
        )
    return "\n".join(lines)


def _judged(outcome: Outcome) -> Iterator[str]:
    judgement = outcome.judgement
    assert judgement is not None
    over = 100 * (judgement.claimed - judgement.verified)
    yield (
        f"The claim is {over:+.2f} points from the verified mean; chance explains up to "
        f"{100 * judgement.margin:.2f} points above it (one-sided t interval, 99%)."
    )
    if all(record.cell.settings["recipe"] != STANDARD_RECIPE for record in outcome.evaluations):
        yield f"The board ranks by `{STANDARD_RECIPE}`: verify with `--recipe {STANDARD_RECIPE}` for a rank."


def _leaks(outcome: Outcome) -> Iterator[str]:
    yield (
        f"{outcome.leaks.line}. A copy is an image less than {RATIO:g} times as far from a test image as "
        "from every train image."
    )


def _provenance(outcome: Outcome) -> Iterator[str]:
    yield f"- sha256 of `{ABOUT}`: `{outcome.submission.sha256}`"
    yield f"- seed of the networks, drawn for this verification: `{outcome.seed}`"
    reads = sum(record.test_reads for record in outcome.evaluations) or outcome.leaks.test_reads
    yield f"- reads of the test split: {reads}, {outcome.leaks.test_reads} of them to search for test images"
    for record in outcome.evaluations[:1]:
        made = record.provenance
        versions = ", ".join(f"{name} {version}" for name, version in sorted(made.versions.items()))
        yield f"- measured on {made.device}, {counted(made.threads, 'thread')}; commit {made.commit}"
        yield f"- versions: {versions}"
