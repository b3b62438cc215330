"""Compiled steps in files: another process, without anything on its disk, need not compile them."""

import os
import pickle
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from torch._dynamo.utils import counters
from torch.compiler._cache import CacheArtifactManager

from suite.core.execution import compile_cache
from suite.core.execution.compiling import Compiled


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_in_a_fresh_process(tmp_path / "one", monkeypatch)


def as_in_a_fresh_process(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CacheArtifactManager.clear()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(disk))
    monkeypatch.setattr(compile_cache, "_read", set())
    monkeypatch.setattr(compile_cache, "_known", set())


def compiled() -> dict[str, int]:
    """Compile a function, or find it; return how often either happened."""
    before = counters["inductor"].copy()
    assert Compiled(lambda x: (x.cos() + 3,), "the cosine")(torch.zeros(3))[0].tolist() == [4, 4, 4]
    found = counters["inductor"] - before
    return {name: found[f"fxgraph_cache_{name}"] for name in ("hit", "miss")}


@pytest.mark.usefixtures("fresh")
def test_what_one_process_compiled_another_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "compiled"
    compile_cache.load(folder)
    compile_cache.save(folder)
    assert not folder.exists(), "nothing was compiled"
    assert compiled() == {"hit": 0, "miss": 1}
    compile_cache.save(folder)
    (path,) = folder.iterdir()
    as_in_a_fresh_process(tmp_path / "two", monkeypatch)
    compile_cache.load(folder)
    assert compiled() == {"hit": 1, "miss": 0}
    compile_cache.save(folder)
    assert list(folder.iterdir()) == [path], "nothing is new"


@pytest.mark.usefixtures("fresh")
def test_damaged_and_foreign_files_are_ignored_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    compile_cache._torch_log.addHandler(caplog.handler)  # torch prints tracebacks
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "folder-0123.artifacts").mkdir()
    (tmp_path / "0123-4567.artifacts").write_bytes(b"cut")
    content = b"not what the compiler wrote"
    (tmp_path / f"0-{compile_cache._digest(content)}.artifacts").write_bytes(content)
    (tmp_path / ".partial-abc").write_bytes(b"half")
    told = "is not a file of compiled steps, or damaged; it is ignored"
    with pytest.warns(UserWarning, match=told) as caught:
        compile_cache.load(tmp_path)
    assert len(caught) == 4 and not compile_cache._known and not caplog.records
    compile_cache.load(tmp_path)
    assert len(caught) == 4, "a folder is read once"


class Payload:
    """Leaves a mark when it is unpickled, as the compiler does with what it finds."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self.marker,)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("kind", ["of all", "of a group", "of another user", "a link to one of all"])
def test_what_others_may_have_written_is_not_run(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "of another user" and os.geteuid() != 0:
        pytest.skip("only root gives files away")
    folder, content = tmp_path / "compiled", pickle.dumps(Payload(tmp_path / "ran"))
    folder.mkdir()
    path = folder / f"0-{compile_cache._digest(content)}.artifacts"
    path.write_bytes(content)
    monkeypatch.setattr("torch.compiler.load_cache_artifacts", pickle.loads)
    if kind == "of another user":
        os.chown(path, 12345, 12345)
    else:
        path.chmod(0o664 if kind == "of a group" else 0o666)
    if kind.startswith("a link"):
        path = path.rename(tmp_path / "elsewhere")
        (folder / f"0-{compile_cache._digest(content)}.artifacts").symlink_to(path)
    with pytest.warns(UserWarning, match="1 file in .* may have been written by others, and would be run"):
        compile_cache.load(folder)
    assert not (tmp_path / "ran").exists()
    if kind != "of another user":
        path.chmod(0o644)
        monkeypatch.setattr(compile_cache, "_read", set())
        with suppress(AttributeError), pytest.warns(UserWarning, match="damaged"):
            compile_cache.load(folder)
        assert (tmp_path / "ran").exists(), "the payload is harmless: the test shows nothing"
