"""The site builds strictly, asks no other host for anything, and its generated parts are complete."""

import re
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

import suite
from docs import generate
from suite.__main__ import app
from suite.plugins import registry

ROOT = Path(__file__).parents[2]
LOADED = re.compile(r'<(?:script|img|iframe)\b[^>]*\bsrc="?([^"\s>]+)|<link\b[^>]*\bhref="?([^"\s>]+)')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning of mkdocs ends the build."""
    folder = tmp_path_factory.mktemp("site")
    build(load_config(str(ROOT / "mkdocs.yml"), strict=True, site_dir=str(folder)))
    return folder


def test_every_page_is_built(site: Path) -> None:
    pages = [path.stem for path in (ROOT / "docs").glob("*.md")]
    for page in (*pages, "index", "CONTRIBUTING", "CHANGELOG", "results/leaderboard"):
        assert (site / f"{page}.html").is_file()


def test_no_page_loads_anything_from_other_hosts(site: Path) -> None:
    found = [(path, a or b) for path in site.rglob("*.html") for a, b in LOADED.findall(path.read_text())]
    assert len(found) > 100
    assert not [(path.name, link) for path, link in found if re.match(r"(https?:)?//", link)]
    styles = [path.read_text() for path in site.rglob("*.css")]
    assert styles and not any(re.search(r"""url\(["']?(https?:)?//""", style) for style in styles)


def test_no_generated_part_is_left_out(site: Path) -> None:
    for path in site.rglob("*.html"):
        assert "generated:" not in path.read_text()
    pages = "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    assert set(re.findall(r"<!-- generated: (\w+) -->", pages)) == set(generate.PARTS)


def test_every_command_and_option_is_described() -> None:
    text = generate.commands()
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        section = text.partition(f"## `ratbench {name}`")[2].partition("\n## ")[0]
        options = {key: hint for key, hint in command.callback.__annotations__.items() if key != "return"}
        for option, hint in options.items():
            shown = hint.__metadata__[0].metavar or option.strip("_").replace("_", "-")
            assert shown in section, (name, option)
    assert "[bold]" not in text and "[/]" not in text


def test_every_method_is_described() -> None:
    text = generate.methods()
    for name in registry.names("method"):
        cls = registry.method(name)
        section = text.partition(f"## `{name}`")[2].partition("\n## ")[0]
        for part in (cls.title, registry.summary(cls), cls.recipe, *registry.hyperparameters(cls)):
            assert part in section
        for number in re.findall(r"\d{4}\.\d{5}", cls.paper):
            assert f"(https://arxiv.org/abs/{number})" in section


def test_every_evaluator_is_described() -> None:
    text = generate.evaluators()
    for name in registry.names("evaluator"):
        cls = registry.evaluator(name)
        section = text.partition(f"## `{name}`")[2].partition("\n## ")[0]
        for part in (registry.summary(cls), *registry.hyperparameters(cls)):
            assert part in section


@pytest.mark.parametrize("title", generate.TABLES)
def test_every_key_of_a_grid_has_a_type_and_a_meaning(title: str) -> None:
    text = generate.grid_file()
    section = text.partition(f"## {title}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    assert [row[0].strip("`") for row in rows] == list(generate.TABLES[title].model_fields)
    assert all(len(row) == 4 and len(row[3]) > 15 for row in rows)
    assert not any("object" in row[1] for row in rows)


def test_every_public_name_is_described() -> None:
    text = generate.python()
    for name in suite.__all__:
        assert f"## `{name}`" in text
    assert "### `SyntheticSet.from_flat`" in text
