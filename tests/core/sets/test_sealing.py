"""Manifests with a seal."""

import json

import pytest

from suite.core.sets.sealing import check, to_json

FACTS = {"label": "dm", "sha256": "0" * 64, "mean": [0.5, 0.25]}


def test_a_manifest_comes_back_and_sealing_again_changes_nothing() -> None:
    made = json.loads(to_json(FACTS))
    check(made)
    assert {**FACTS, "seal": made["seal"]} == made and json.loads(to_json(made)) == made


@pytest.mark.parametrize("changed", [{"mean": [0.5, 0.26]}, {"seal": "0" * 64}, {"seal": 3}, {"more": ""}])
def test_a_change_is_seen(changed: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="does not match its seal"):
        check(json.loads(to_json(FACTS)) | changed)


def test_those_of_earlier_releases_have_none() -> None:
    check(FACTS)
