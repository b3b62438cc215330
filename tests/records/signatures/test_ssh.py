"""Signatures by SSH keys, as OpenSSH makes and checks them."""

import subprocess
from pathlib import Path

import pytest

from suite.records.signatures import ssh
from tests.support.keys import key, signers

LINE = "ada@example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFZd9wMG5dCiqDJfZIgFrMH6eCbRFkwSKhD5rfFdWv0B"


def test_a_signature_is_checked(tmp_path: Path) -> None:
    own, other = key(tmp_path / "own"), key(tmp_path / "other")
    file = signers(tmp_path, {"ada@example.org": own})
    signature = tmp_path / "a.sig"
    signature.write_bytes(ssh.sign(b"text", own))
    found = ssh.check(b"text", signature, file)
    assert found.fits and found.signer == "ada@example.org" and found.key.startswith("SHA256:")
    assert not ssh.check(b"another", signature, file).fits
    stranger = ssh.check(b"text", signature, signers(tmp_path, {"bob": other}))
    assert stranger.fits and stranger.signer == ""


@pytest.mark.parametrize(
    "line",
    ["* {key}", "a?a {key}", "!ada {key}", 'ada valid-before="20200101" {key}', 'ada namespaces="git" {key}'],
)
def test_whose_signature_does_not_count(line: str, tmp_path: Path) -> None:
    """A pattern is no name; a key may have expired, or be for other things."""
    own = key(tmp_path / "own")
    public = " ".join(own.with_name("own.pub").read_text().split()[:2])
    (tmp_path / "signers").write_text(line.format(key=public) + "\n")
    (tmp_path / "a.sig").write_bytes(ssh.sign(b"text", own))
    assert ssh.check(b"text", tmp_path / "a.sig", tmp_path / "signers").signer == ""


def test_a_signature_for_git_is_none(tmp_path: Path) -> None:
    own = key(tmp_path / "own")
    (tmp_path / "text").write_bytes(b"text")
    command = ["ssh-keygen", "-Y", "sign", "-q", "-n", "git", "-f", str(own), str(tmp_path / "text")]
    subprocess.run(command, check=True, capture_output=True)
    assert not ssh.check(b"text", tmp_path / "text.sig", signers(tmp_path, {"ada": own})).fits


def test_what_cannot_sign_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="no key at"):
        ssh.sign(b"", tmp_path / "none")
    (tmp_path / "bad").write_text("no key")
    with pytest.raises(ValueError, match="does not sign: "):
        ssh.sign(b"", tmp_path / "bad")
    with pytest.raises(ValueError, match="no file of signers"):
        ssh.check_signers(tmp_path / "none")
    (tmp_path / "signers").write_text(f"# ours\n\n{LINE}\n")
    ssh.check_signers(tmp_path / "signers")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="OpenSSH"):
        ssh.check_signers(tmp_path / "signers")


@pytest.mark.parametrize(
    "options", ["", 'namespaces="ratbench" ', 'valid-before="20300101",namespaces="a b" ']
)
def test_a_signer_has_a_key(options: str, tmp_path: Path) -> None:
    (file := tmp_path / "signers").write_text(LINE.replace("ssh-", f"{options}ssh-"))
    ssh.check_signers(file)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has no signer"),
        ("# nobody\n", "has no signer"),
        ("localhost\n", "line 1 of .* has no signer with a key"),
        ("# ours\nada@example.org ssh-ed25519\n", "line 2 of .* has no signer with a key"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA\n", "line 1 of .* has no signer with a key"),
    ],
)
def test_a_file_that_names_no_signer_is_refused(text: str, why: str, tmp_path: Path) -> None:
    (file := tmp_path / "signers").write_text(text)
    with pytest.raises(ValueError, match=why):
        ssh.check_signers(file)
