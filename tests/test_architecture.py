"""Imports point one way, nothing is random by accident, and no file grows out of hand."""

import ast
import doctest
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path for folder in ("suite", "methods", "evaluators") for path in (ROOT / folder).rglob("*.py")
)

PLUGINS = "suite.plugins."
"""Before `methods` and `evaluators` where they are imported: links in this folder lead to theirs."""

LAYERS = {
    f"{PLUGINS}methods": {"core", "methods"},
    f"{PLUGINS}evaluators": {"core", "evaluators"},
    "suite.core": {"core"},
    "suite.plugins": {"core", "methods", "evaluators", "plugins"},
    "suite.records": {"core", "records"},
    "suite.experiments": {"core", "plugins", "records", "experiments"},
    "suite.board": {"core", "records", "board"},
    "suite.figures": {"core", "records", "board", "figures"},
    "suite.site": {"core", "records", "board", "figures", "site"},
    "suite.external": {"core", "plugins", "records", "experiments", "external"},
    "suite.submissions": {"core", "plugins", "records", "board", "experiments", "external", "submissions"},
}
"""What the modules of a folder may import of ours; `suite.cli` and what stands above it may import all."""

CORE = ("networks", "engine", "training", "distilling")
"""The folders of the core in their order: a later one imports earlier ones, and all of them the rest."""


@cache
def text(path: Path) -> str:
    return path.read_text()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(text(path))


def name(path: Path) -> str:
    own = path.relative_to(ROOT).with_suffix("").parts
    return (PLUGINS if own[0] in ("methods", "evaluators") else "") + ".".join(own)


KNOWN = {name(path) for path in FILES} | {f"{PLUGINS}methods", f"{PLUGINS}evaluators"}
"""Our modules."""


def imported(path: Path) -> Iterator[str]:
    """Yield the modules of ours that a file imports, wherever in it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            continue
        yield from (module for module in modules if module in KNOWN)


def layer(module: str) -> str:
    """Return the folder that a module is in, without `suite.`."""
    for kind in ("methods", "evaluators"):
        if f"{module}.".startswith(f"{PLUGINS}{kind}."):
            return kind
    return module.removeprefix("suite.").partition(".")[0]


def test_imports_point_one_way() -> None:
    for path in FILES:
        own = name(path)
        allowed = [layers for folder, layers in LAYERS.items() if own.startswith(folder + ".")]
        if allowed:
            assert {layer(module) for module in imported(path)} <= allowed[0], own


def test_imports_of_the_core_point_one_way() -> None:
    for path in (ROOT / "suite" / "core").rglob("*.py"):
        folder = name(path).split(".")[2]
        later = CORE[CORE.index(folder) + 1 :] if folder in CORE else CORE
        found = {each.split(".")[2] for each in imported(path) if each.count(".") > 1}
        assert not found & set(later), name(path)


def test_the_rule_sees_imports() -> None:
    assert "suite.core.spec" in set(imported(ROOT / "methods" / "rat_bptt.py"))
    seen = {layer(module) for module in imported(ROOT / "suite" / "cli" / "running" / "runner.py")}
    assert {"experiments", "records", "board"} <= seen


def test_imports_are_absolute() -> None:
    """The rules above read names as they are written."""
    imports = [(path, node) for path in FILES for node in ast.walk(tree(path))]
    assert not [name(path) for path, node in imports if isinstance(node, ast.ImportFrom) and node.level]


def test_methods_and_evaluators_are_imported_as_parts_of_the_suite() -> None:
    """A user's folder may have these names, too."""
    wrong = re.compile(r"^ *(from|import) (methods|evaluators)\b|[\"'](methods|evaluators)\.[a-z_]+\.", re.M)
    assert wrong.search("from methods.dm import DM") and wrong.search("patch('methods.dm.network')")
    files = [path for path in (*FILES, *(ROOT / "tests").rglob("*.py")) if path.name != Path(__file__).name]
    assert not [name(path) for path in files if wrong.search(text(path))]


def test_nothing_imports_in_a_circle() -> None:
    graph = {name(path): set(imported(path)) - {name(path)} for path in FILES}
    TopologicalSorter(graph).prepare()


def loaded(module: str) -> set[str]:
    code = f"import sys, {module}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


def test_boards_need_neither_torch_nor_ray() -> None:
    folders = ("suite.records.", "suite.board.", "suite.site.")
    modules = [name(path) for path in FILES if name(path).startswith(folders)]
    assert not {"torch", "ray"} & loaded(", ".join(each.removesuffix(".__init__") for each in modules))


def test_help_is_fast_and_inline_needs_no_ray() -> None:
    assert not {"torch", "ray"} & loaded("suite.__main__")
    assert "ray" not in loaded("suite.cli.running.runner")
    assert not {"torch", "ray"} & loaded("suite.cli.stores.watching, suite.cli.stores.listing")


def test_ray_is_the_clusters_alone() -> None:
    using = {name(path) for path in FILES if re.search(r"^\s*(import|from) ray\b", text(path), re.M)}
    assert using == {
        f"suite.experiments.cluster.{own}"
        for own in ("asking", "connection", "driver", "ending", "nodes", "worker")
    }


DRAWS = {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson"}
DRAWS |= {"rand_like", "randn_like", "randint_like"}
DRAWS_IN_PLACE = {"uniform_", "normal_", "random_", "bernoulli_", "exponential_", "trunc_normal_"}


def global_randomness(file: ast.Module) -> list[str]:
    """Return what a file draws from, or does to, a generator that it did not make."""
    found = []
    for node in ast.walk(file):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name == "random"]
        if isinstance(node, ast.ImportFrom) and node.module in ("random", "numpy.random"):
            found.append(node.module)
        if isinstance(node, ast.Call):
            call, keywords = ast.unparse(node.func), {keyword.arg for keyword in node.keywords}
            owner, _, last = call.rpartition(".")
            drawing = (owner == "torch" and last in DRAWS) or last in DRAWS_IN_PLACE
            made = last == "default_rng" and node.args
            if (drawing and "generator" not in keywords) or (owner.endswith("np.random") and not made):
                found.append(call)
            if owner in {"torch", "torch.cuda"} and last in {"manual_seed", "manual_seed_all", "seed"}:
                found.append(call)
    return found


def test_no_global_randomness() -> None:
    # The first disturbs the global states to see who depends on them; with the second all cells begin alike.
    files = [path for path in FILES if path.name not in ("smoke.py", "process_state.py")]
    assert not {name(path): drawn for path in files if (drawn := global_randomness(tree(path)))}


@pytest.mark.parametrize(
    "line",
    [
        "import random",
        "from random import shuffle",
        "from numpy.random import rand",
        "torch.rand_like(images)",
        "torch.manual_seed(0)",
        "torch.cuda.manual_seed_all(0)",
        "np.random.seed(0)",
        "np.random.default_rng()",
        "torch.randperm(3)",
        "images.normal_()",
    ],
)
def test_the_rule_sees_global_randomness(line: str) -> None:
    assert global_randomness(ast.parse(line))
    allowed = "torch.randperm(3, generator=draw)\nnp.random.default_rng(seed)\n"
    assert not global_randomness(ast.parse(allowed))


def test_files_are_small_and_named() -> None:
    assert not [name(path) for path in FILES if len(text(path).splitlines()) > 300]
    assert not [name(path) for path in FILES if path.stem in {"utils", "helpers", "common", "misc"}]


def test_every_file_says_what_it_holds() -> None:
    assert not [name(path) for path in FILES if not ast.get_docstring(tree(path))]


DATA = {Path("suite/core/data/catalogue.py")}
"""Modules without functions, which need no test of their own."""

ELSEWHERE = {"behaviour", "docs", "support", "benchmarks"}
"""Folders of `tests/` that mirror no code: across modules, the pages, and what tests or benchmarks need."""


def home_of(path: Path) -> Path:
    """Return where a module is tested, below `tests/`."""
    own = path.relative_to(ROOT)
    own = own.relative_to("suite") if own.parts[0] == "suite" else own
    return own.with_name(f"test_{own.stem.strip('_')}.py")


def without_properties(path: Path) -> Path:
    """Return the name of a file of tests without the ending of property tests."""
    return path.relative_to(ROOT / "tests").with_name(path.name.replace("_properties.py", ".py"))


MODULES = {path for path in FILES if path.name != "__init__.py" and path.relative_to(ROOT) not in DATA}
TESTS = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if path != Path(__file__)]


def test_every_module_has_its_tests() -> None:
    """`suite/a/b.py` is tested in `tests/a/test_b.py`, `methods/dm.py` in `tests/methods/test_dm.py`."""
    assert not [name(path) for path in MODULES if not (ROOT / "tests" / home_of(path)).is_file()]


def test_every_file_of_tests_has_its_module() -> None:
    """Tests across modules stand in `tests/behaviour/`, property tests beside those of their module."""
    expected = {home_of(path) for path in MODULES}
    below = {path for path in TESTS if path.relative_to(ROOT / "tests").parts[0] not in ELSEWHERE}
    assert not [path for path in below if without_properties(path) not in expected]


def test_folders_are_small() -> None:
    """At most eleven rooms in the house, and ten files in a room."""
    rooms = {path.name for path in (ROOT / "suite").iterdir() if not path.name.startswith(("__", "py.typed"))}
    assert len(rooms) <= 11, rooms
    for folder in {path.parent for path in (ROOT / "suite").rglob("*.*") if "__pycache__" not in path.parts}:
        files = [path.name for path in folder.iterdir() if path.is_file()]
        assert len(files) <= 10, (folder, files)


def test_examples_in_docstrings_run() -> None:
    for path in FILES:
        if "\n        >>> " in text(path) or "\n    >>> " in text(path):
            found = doctest.testmod(import_module(name(path)))
            assert found.attempted and not found.failed, name(path)
