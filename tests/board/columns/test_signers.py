"""Rows name who signed all of their records, and the names are shown as they are."""

from pathlib import Path

import pytest

from suite.board import files
from suite.board.columns.signers import marked
from suite.board.files import joined
from suite.board.tables import board
from suite.records.signatures import lists
from suite.site.build import made
from suite.site.source import load
from tests.support.board_records import SMALL, rows, save
from tests.support.keys import key, signers

HOSTILE = "<script>|`ada`"


def test_a_row_is_signed_if_all_of_its_records_are() -> None:
    records = [each.sealed() for each in SMALL]
    signed = {each.sha256: frozenset({"ada", "bob"}) for each in records if each.label == "random_subset"}
    signed |= {each.sha256: frozenset({"ada"}) for each in records if each.label == "rat_bptt"}
    found = rows(marked(board(records), signed))
    assert found["random_subset"].signers == ("ada", "bob") and found["rat_bptt"].signers == ("ada",)
    left = next(each.sha256 for each in records if each.label == "rat_bptt")
    assert rows(marked(board(records), {**signed, left: frozenset()}))["rat_bptt"].signers == ()
    assert marked(board(records), {}).tables[0].reference is not None


@pytest.fixture
def signed_store(tmp_path: Path) -> tuple[Path, Path]:
    """A store, and a file of signers with a hostile name."""
    save([each.sealed() for each in SMALL], tmp_path / "store")
    own = key(tmp_path / "own")
    lists.sign(tmp_path / "store", own)
    return tmp_path / "store", signers(tmp_path, {HOSTILE: own})


def test_every_form_of_the_board_shows_it_escaped(signed_store: tuple[Path, Path]) -> None:
    store, file = signed_store
    found = files.load([store], signers=file)
    text = files.render(found, "md")
    assert "signed by &#60;script&#62;&#124;&#96;ada&#96;" in text and "<script>" not in text
    assert "<script>" not in files.render(found, "html")
    assert files.render(found, "csv").count(HOSTILE) == 3  # two rows, and full data
    pages = b"".join(
        each.content for each in made(load([store], signers=file)) if each.path.endswith(".html")
    )
    assert b"<script>|" not in pages and b"&lt;script&gt;|" in pages


def test_nothing_is_shown_without_a_file_of_signers(signed_store: tuple[Path, Path]) -> None:
    store, file = signed_store
    assert "signed by" not in files.render(files.load([store]), "md")
    with pytest.warns(UserWarning, match="which signers does not accept"):
        stranger = joined(
            files.read([store]), [store], signers=signers(file.parent, {"bob": key(file.parent / "b")})
        )
    assert "signed by" not in files.render(stranger, "md")
