"""Downloads: what is reachable, and what is said where nothing is. No test leaves this machine."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from suite.core.data.reading import download
from suite.core.data.reading.download import (
    DataMissing,
    download_hub,
    download_torchvision,
    nothing_fetched,
    reachable,
)


class _Head(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(200 if self.path == "/there" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with HTTPServer(("127.0.0.1", 0), _Head) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()


def test_a_server_that_answers_is_reachable(server: str) -> None:
    assert reachable(f"{server}/there") and not reachable(f"{server}/elsewhere")
    assert not reachable("http://127.0.0.1:9/")


def test_a_silent_server_costs_a_second_or_two(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        assert not reachable(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert time.monotonic() - started < 3 * download.PATIENCE


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "reachable", lambda url: False)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("kind", ["CIFAR10", "SVHN", "FashionMNIST"])
def test_without_a_network_the_remedy_is_told_and_nothing_written(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"https?://.* cannot be reached\. Put it there\."):
        download_torchvision(kind, tmp_path / "data", "Put it there.")
    assert not (tmp_path / "data").exists()


@pytest.mark.usefixtures("offline")
def test_a_damaged_archive_is_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"cut off")
    with pytest.raises(DataMissing, match="cannot be reached"):
        download_torchvision("CIFAR10", tmp_path, "Put it there.")


@pytest.mark.usefixtures("offline")
def test_the_hub_out_of_reach_is_said_with_the_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(DataMissing, match=r"nobody/nothing at 0{40} needs .* cannot be reached\. Put it"):
        download_hub("nobody/nothing", "0" * 40, lambda root, paths: paths, "Put it there.")


def test_of_the_hubs_files_only_the_chosen_ones_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[list[str]]()

    def fetched(name: str, *, allow_patterns: list[str], repo_type: str, revision: str | None) -> str:
        assert (name, repo_type, revision) == ("nobody/nothing", "dataset", None)
        asked.append(allow_patterns)
        return str(tmp_path)

    monkeypatch.setattr(download, "reachable", lambda url: True)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fetched)
    paths = ["README.md", "data/train.parquet", "data/extra.parquet"]
    monkeypatch.setattr("huggingface_hub.HfApi.list_repo_files", lambda *_, **__: paths)
    download_hub("nobody/nothing", None, lambda root, found: [path for path in found if "train" in path], "")
    assert asked == [["README.md"], ["README.md", "data/train.parquet"]]


def test_torchvision_has_its_data_sets() -> None:
    found = download.torchvision_datasets()
    assert all(hasattr(found, kind) for kind in ("CIFAR10", "CIFAR100", "SVHN", "MNIST", "FashionMNIST"))


def test_where_a_run_would_fetch_from_is_said_and_nothing_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(download, "reachable", lambda url: pytest.fail(f"{url} was asked"))
    with nothing_fetched():
        with pytest.raises(DataMissing, match=r"a run would fetch https://www\.cs\.toronto\.edu/.*\. Put it"):
            download_torchvision("CIFAR10", tmp_path / "data", "Put it there.")
        with pytest.raises(DataMissing, match=r"a run would fetch .*/datasets/nobody/nothing\. Put it"):
            download_hub("nobody/nothing", None, lambda root, paths: paths, "Put it there.")
    monkeypatch.setattr(download, "reachable", lambda url: False)
    with pytest.raises(DataMissing, match="cannot be reached"):
        download_torchvision("CIFAR10", tmp_path / "data", "Put it there.")
