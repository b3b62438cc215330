"""The command `ratbench sign`, and what the board and the audit show of it."""

from pathlib import Path

from tests.support.audited import first, sound
from tests.support.command_line import ratbench, refused
from tests.support.keys import key, signers
from tests.support.stores import change


def test_a_signed_store_is_shown_as_signed(copied: Path, tmp_path: Path) -> None:
    own = key(tmp_path / "own")
    result = ratbench("sign", copied, "--key", own)
    assert result.exit_code == 0 and f"give {own}.pub to" in result.stdout
    assert "nothing to sign" in ratbench("sign", copied, "--key", own).stdout
    assert ratbench("sign", copied, "--key", own, "--all").exit_code == 0
    file = signers(tmp_path, {"ada@example.org": own})
    audit = ratbench("audit", copied, "--signers", file)
    assert audit.exit_code == 0 and "signed by ada@example.org: " in audit.stdout
    board = tmp_path / "board.md"
    assert ratbench("leaderboard", copied, "--output", board, "--signers", file).exit_code == 0
    assert "signed by ada@example.org" in board.read_text().replace("&#64;", "@")
    assert ratbench("leaderboard", copied, "--output", board, "--signers", file, "--check").exit_code == 0
    assert ratbench("leaderboard", copied, "--output", board, "--check").exit_code == 1
    site = ratbench("site", copied, "--output", tmp_path / "site", "--signers", file)
    assert site.exit_code == 0 and "ada@example.org" in (tmp_path / "site/index.html").read_text()


def test_a_store_with_errors_is_not_signed(tmp_path: Path) -> None:
    store, own = sound(tmp_path / "store"), key(tmp_path / "own")
    change(first(store), test_reads=9)
    result = ratbench("sign", store.path, "--key", own)
    assert result.exit_code == 2 and "the audit finds 1 error; fix it first" in result.stderr
    assert not (store.path / "signatures").exists()


def test_wrong_input_is_refused(tmp_path: Path) -> None:
    store = sound(tmp_path / "store").path
    refused(ratbench("sign", store, "--key", tmp_path / "none"), "no key at")
    refused(ratbench("sign", tmp_path, "--key", tmp_path / "none"), "is not a store")
