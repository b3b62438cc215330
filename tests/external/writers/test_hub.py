"""`ratbench export --push`: what reaches the hub, by the real client, and what is said where it does not."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from typer.testing import Result

import suite
from suite.external.writers.hub import Repository
from tests.support import foreign_sets, hub_server
from tests.support.command_line import ratbench, refused
from tests.support.hub_server import TOKEN, Hub

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub on loopback, where we are logged in; large files go there as they did before its own storage."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with hub_server.running() as found:
        monkeypatch.setattr(constants, "ENDPOINT", found.address)
        yield found


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    suite.save_set(foreign_sets.digits(), tmp_path / "set.safetensors", foreign_sets.task())
    return tmp_path / "set.safetensors"


def push(saved: Path, *words: str, output: str = "out") -> Result:
    return ratbench("export", saved, "--format", "hf", "--output", output, "--push", "me/my-set", *words)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_what_is_pushed_is_what_is_written(hub: Hub, saved: Path) -> None:
    result = push(saved, "--private")
    assert result.exit_code == 0, result.output
    assert f"pushed to {hub.address}/datasets/me/my-set" in result.stdout and TOKEN not in result.output
    assert hub.private == {"me/my-set": True}
    assert hub.files["me/my-set"] == files(Path("out")) and len(hub.files["me/my-set"]) == 4
    assert 'snapshot_download("me/my-set", repo_type="dataset")' in Path("out/README.md").read_text().replace(
        "'", '"'
    )
    again = push(saved, output="again")
    assert again.exit_code == 0, again.output  # another commit to the same dataset


def test_a_public_dataset_does_not_become_private_by_a_word(hub: Hub, saved: Path) -> None:
    hub.private["me/my-set"], hub.files["me/my-set"] = False, {}
    result = push(saved, "--private")
    refused(result, "me/my-set exists and is public; make it private there, choose another name, or leave")
    assert not hub.files["me/my-set"] and left_nothing()


def left_nothing() -> bool:
    return not Path("out").exists() and not list(Path().glob(".partial*"))


@pytest.mark.parametrize(
    ("refusing", "message"),
    [
        (
            {"create": 401, "datasets": 401},
            "the token is refused (401); run `hf auth login` again, or set another",
        ),
        (
            {"create": 403, "/api/datasets": 403},
            "the token may not write there (403); use one with that right",
        ),
        ({"create": 500}, "the server refuses the upload (500"),
        ({"validate-yaml": 400}, "the server refuses the upload (400"),
        ({"preupload": 403}, "the token may not write there (403)"),
        ({"objects/batch": 413}, "the server refuses the upload (413"),
        ({"^/lfs/": 403}, "the token may not write there (403)"),
        ({"commit": 412}, "the server refuses the upload (412"),
    ],
)
def test_a_refusal_is_one_sentence_and_leaves_nothing(
    hub: Hub, saved: Path, refusing: dict[str, int], message: str
) -> None:
    hub.refusing = refusing
    result = push(saved)
    refused(result, f"{hub.address}/datasets/me/my-set: ", message)
    assert left_nothing() and TOKEN not in result.output


def test_a_token_that_may_write_but_not_create_is_enough_where_the_dataset_exists(
    hub: Hub, saved: Path
) -> None:
    hub.private["me/my-set"], hub.files["me/my-set"] = True, {}
    hub.refusing = {"create": 403}
    result = push(saved, "--private")
    assert result.exit_code == 0 and hub.files["me/my-set"] == files(Path("out"))


def test_a_wrong_token_is_refused_and_never_shown(
    hub: Hub, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    result = push(saved)
    refused(result, "the token is refused (401)")
    assert left_nothing() and "hf_wrong" not in result.output


def test_without_a_token_nothing_is_asked(hub: Hub, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    result = push(saved)
    refused(result, "--push needs a token of the Hugging Face hub; run `hf auth login`, or set HF_TOKEN")
    assert left_nothing() and not hub.asked


def test_a_host_that_does_not_answer(hub: Hub, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("http://127.0.0.1:9", "http://no-such-host.invalid", "nonsense"):
        monkeypatch.setattr(constants, "ENDPOINT", address)
        result = push(saved)
        refused(result, f"--push: {address} cannot be reached; try again with a network")
        assert left_nothing()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    result = push(saved)
    refused(result, "HF_HUB_OFFLINE is set; unset it")


@pytest.mark.parametrize(
    "name", ["my-set", "me/my/set", "", "/", "me/", "me/..", "me/a b", "me/-x", "../etc", "me/x.git"]
)
def test_wrong_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="--push '") as error:
        Repository(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--format", "pt", "--push", "me/my-set"),
            "--push uploads a Hugging Face dataset; say --format hf, not pt",
        ),
        (("--format", "hf", "--private"), "--private belongs to --push; give both"),
        (("--format", "hf", "--push", "my set"), "--push 'my set': "),
    ],
)
def test_options_that_do_not_fit(hub: Hub, saved: Path, words: tuple[str, ...], message: str) -> None:
    refused(ratbench("export", saved, "--output", "out", *words), message)
    assert left_nothing() and not hub.asked
