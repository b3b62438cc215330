"""The installed distribution, and users' folders that have the names of ours."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from suite.board import files
from suite.board.atlas.targets import REPORTED
from suite.plugins import registry
from tests.support.board_records import SMALL, save
from tests.support.grids import QUICK
from tests.support.packages import copy_sources, install


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which RaT-Bench is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    return install(copy_sources(folder / "sources"), folder / "installed")


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A user's folder with packages `methods`, which is not empty, and `evaluators`, which is."""
    for name in ("methods", "evaluators"):
        (tmp_path / name).mkdir()
    (tmp_path / "methods" / "__init__.py").write_text("")
    (tmp_path / "methods" / "mine.py").write_text("")
    return tmp_path


def python(folder: Path, path: Path, *words: str) -> str:
    """Run Python in `folder`, with `path` before all that is installed; return its output."""
    environment = os.environ | {"PYTHONPATH": str(path)}
    ran = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_only_the_suite_is_at_the_top_of_site_packages(wheel: Path) -> None:
    names = {path.name for path in wheel.iterdir() if path.suffix != ".dist-info"}
    assert names == {"suite", "bin"}
    assert {path.stem for path in (wheel / "suite/plugins/methods").glob("[!_]*.py")} == set(
        registry.names("method")
    )


def test_the_printed_figures_are_installed(wheel: Path, tmp_path: Path) -> None:
    installed = wheel / "suite/board/atlas/reported.toml"
    assert not installed.is_symlink() and installed.read_bytes() == REPORTED.read_bytes()
    code = "from suite.cli.reproducing.reproduction import find; print(*find(*{}).before(1))"
    told = python(tmp_path, wheel, "-c", code.format(("rat_bptt", "cifar10", 10)))
    assert "printed: 69.4" in told and "8,248 device-seconds" in told


def test_the_pages_of_a_site_are_installed(wheel: Path, tmp_path: Path) -> None:
    save(SMALL, tmp_path / "store")
    python(tmp_path, wheel, "-m", "suite", "site", "store", "--output", "board")
    for name in ("index.html", "gallery.html", "static/board.js", "methods/rat_bptt.html"):
        assert (tmp_path / "board" / name).is_file()


def test_a_users_folder_called_methods_hides_none(wheel: Path, theirs: Path) -> None:
    listed = python(theirs, wheel, "-m", "suite", "list", "methods")
    assert {line.split()[0] for line in listed.splitlines() if line[:1].isalpha()} >= set(
        registry.names("method")
    )
    code = "import suite; from suite.plugins import registry; print(suite.__file__, registry.names('method'))"
    assert python(theirs, wheel, "-c", code) == (
        f"{wheel}/suite/__init__.py {registry.names('method')}\n"  # as a notebook in this folder
    )


def test_an_editable_install_finds_them_too(theirs: Path, tmp_path: Path) -> None:
    sources = copy_sources(tmp_path / "sources")
    target = install(sources, tmp_path / "installed", "--editable")
    # Without site, so that the hooks of this environment's own editable install stay out.
    code = (
        f"import site, sys; site.addsitedir({str(target)!r});"
        f"sys.path.append({sysconfig.get_path('purelib')!r});"
        "from suite.plugins import registry; print(registry.method('boosted_rat_bptt'), registry.__file__)"
    )
    found = python(theirs, theirs, "-S", "-c", code)
    assert "suite.plugins.methods.boosted_rat_bptt" in found and f"{sources}/suite" in found


def test_a_run_on_ray_from_a_users_folder(wheel: Path, theirs: Path) -> None:
    """Ray puts the folder at the front of its workers' paths."""
    head, _, tail = QUICK.partition("[method.rat_bptt]")
    (theirs / "tiny.toml").write_text(f"{head}[evaluator.{tail.partition('[evaluator.')[2]}")
    python(theirs, wheel, "-m", "suite", "run", "tiny.toml", "--store", "store")
    assert {record.status for record in files.read([theirs / "store"]).records} == {"done"}
