"""The parts of the site that are made from the code: a hook of mkdocs, see mkdocs.yml.

A page says `<!-- generated: methods -->` where a part belongs. Links that lead out of docs/, to results and
to files at the top, are copied into the site.
"""

import inspect
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pydantic import BaseModel
from typer.cli import get_docs_for_click

import suite
from suite.__main__ import app
from suite.cli import describe
from suite.core.data import tasks
from suite.core.spec import Evaluator
from suite.core.training.recipes import RECIPES
from suite.experiments import schema
from suite.experiments.tables import grid_files
from suite.experiments.tables.budget import BudgetTable
from suite.experiments.tables.resources import ResourcesTable
from suite.plugins import registry
from suite.plugins.differences import differences

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)#\s]+)")
TABLES: dict[str, type[BaseModel]] = {
    "The top of the file": schema.Grid,
    "`[method.NAME]`": schema.MethodTable,
    "`[[method.NAME.where]]`": schema.Where,
    "`[study.NAME]`": schema.StudyTable,
    "`[reference]`": schema.References,
    "`[budget]`": BudgetTable,
    "`[resources]`": ResourcesTable,
}


def commands() -> str:
    """Return every command with its arguments and options."""
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="ratbench")
    text = re.sub(r"\*\*Commands\*\*:.*?(?=\n## )", "", text, flags=re.S).partition("\n")[2]
    text = re.sub(r"^\[bold\](ratbench .*)\[/\]$", r"    \1", text, flags=re.M)
    return re.sub(r"\[bold\](.*?)\[/\]", r"**\1**", text)


def methods() -> str:
    """Return every method: title, papers, recipe, hyper-parameters, the paper's settings."""
    return "\n".join(line for name in registry.names("method") for line in _method(name))


def _method(name: str) -> Iterator[str]:
    cls = registry.method(name)
    title = f"**{cls.title}**\n\n" if cls.title else ""
    yield f"## `{name}`\n\n{title}{registry.summary(cls)}\n"
    links = ", ".join(f"[{link.removeprefix('https://')}]({link})" for link in describe.papers(cls))
    others = (f" `{recipe}` for {where}." for where, recipe in describe.recipes(cls).items())
    yield f"Paper: {links or cls.paper or 'none'}. Recipe: `{cls.recipe}`.{''.join(others)}\n"
    yield _settings(cls)
    for heading, values in describe.published(cls).items():
        yield f"- {heading}: `{values}`"
    yield ""


def papers() -> str:
    """Return the differences of every method from its paper."""
    return "\n".join(_differences(name) for name in registry.names("method") if differences(name))


def _differences(name: str) -> str:
    heads = ("point", "paper and authors' code", "here", "why", "effect")
    rows = ((each.point, each.paper, each.ours, each.why, each.effect) for each in differences(name))
    return f"### `{name}`\n\n{table(heads, rows)}"


def evaluators() -> str:
    """Return every evaluator with its settings."""
    return "\n".join(
        f"### `{name}`\n\n**{cls.title}.** {registry.summary(cls)}\n\n{_scores(cls)}\n{_settings(cls)}"
        for name, cls in ((name, registry.evaluator(name)) for name in registry.names("evaluator"))
    )


def _scores(cls: type[Evaluator]) -> str:
    rows = ((_code(score.name), score.title, score.unit, score.better) for score in cls.scores)
    return table(("score", "heading", "unit", "better"), rows)


def _settings(cls: type) -> str:
    rows = ((name, kind, repr(default)) for name, (kind, default) in registry.hyperparameters(cls).items())
    return table(("setting", "type", "default"), (map(_code, row) for row in rows))


def grid_file() -> str:
    """Return every key of a grid file."""
    return "\n".join(
        f"## {title}\n\n{table(('key', 'type', 'default', 'meaning'), _keys(model))}"
        for title, model in TABLES.items()
    )


def _keys(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    properties = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        value = field.get_default()
        default = "required" if field.is_required() else "none" if value is None else _code(repr(value))
        yield _code(name), _kind(properties[name]), default, " ".join((field.description or "").split())


def _kind(schema: dict[str, Any]) -> str:
    """Return a JSON schema in words, such as `[integer > 0, …]`."""
    if options := [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]:
        return " or ".join(map(_kind, options))
    if schema.get("type") == "array":
        return f"[{_kind(schema['items'])}, …]"
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}
    limits = [f" {sign} {schema[key]}" for key, sign in bounds.items() if key in schema]
    return str(schema.get("type", "object")).replace("object", "table") + ",".join(limits)


def python() -> str:
    """Return the public names of `import suite`, with their docstrings."""
    return "\n".join(
        part for name in sorted(suite.__all__, key=str.lower) for part in _public(name, getattr(suite, name))
    )


def _public(name: str, value: Any) -> Iterator[str]:
    owned = vars(value).items() if inspect.isclass(value) else ()
    members = {key: getattr(value, key) for key, member in owned if isinstance(member, classmethod)}
    for called, each in {name: value, **{f"{name}.{key}": found for key, found in members.items()}}.items():
        signature = re.sub(r"[A-Za-z_][\w.]*\.(?=[A-Za-z])|(?<=-> )'|'$", "", str(inspect.signature(each)))
        level = "###" if "." in called else "##"
        yield f"{level} `{called}`\n\n```text\n{called}{signature}\n```\n\n{inspect.getdoc(each)}\n"


def listed(kind: str, names: Iterable[str]) -> str:
    """Return a list that `ratbench list` prints."""
    return table(("name", ""), ((_code(name), *describe.row(kind, name)) for name in names))


def table(heads: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    cells = [list(heads), *map(list, rows)]
    lines = [" | ".join(cell.replace(" | ", " or ").replace("|", "\\|") for cell in row) for row in cells]
    return (
        "\n".join(f"| {line} |" for line in (lines[0], "|".join("---" for _ in cells[0]), *lines[1:])) + "\n"
    )


def _code(text: str) -> str:
    return f"`{text}`"


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "evaluators": evaluators,
    "grid": grid_file,
    "grids": lambda: listed("grids", grid_files.names()),
    "methods": methods,
    "python": python,
    "recipes": lambda: listed("recipes", RECIPES),
    "tasks": lambda: listed("tasks", (*tasks.names(), *tasks.FORMS)),
}


def filled(markdown: str) -> str:
    """Return a page with its generated parts."""
    return re.sub(r"<!-- generated: (\w+) -->", lambda match: PARTS[match[1]](), markdown)


def with_papers(page: str) -> str:
    """Return the page with the differences of every method between its marks, for readers of the file."""
    start, end = "<!-- differences -->\n", "<!-- end of differences -->"
    return page.partition(start)[0] + start + "\n" + papers() + "\n" + end + page.partition(end)[2]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README, which is the first page, and what pages link to outside docs/."""
    waiting = [ROOT / "README.md", *(ROOT / "docs" / file.src_uri for file in files.documentation_pages())]
    files.append(File.generated(config, "README.md", abs_src_path=str(ROOT / "README.md")))
    while waiting:
        page = waiting.pop()
        for target in (page.parent / link for link in LINK.findall(page.read_text())):
            path = Path(os.path.normpath(target))
            if path.is_file() and files.get_file_from_path(uri(path)) is None:
                files.append(File.generated(config, uri(path), abs_src_path=str(path)))
                waiting += [path] if path.suffix == ".md" else []
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in the generated parts, and point links at what was copied."""
    own = ROOT / page.file.src_uri if page.file.generated_by else ROOT / "docs" / page.file.src_uri
    folder = Path(uri(own)).parent

    def moved(match: re.Match[str]) -> str:
        target = uri(Path(os.path.normpath(own.parent / match[1])))
        return Path(os.path.relpath(target, folder)).as_posix()

    return filled(LINK.sub(moved, markdown)).replace("<details>", '<details markdown="1">')


def uri(path: Path) -> str:
    """Return where a file of the repository stands in the site."""
    return path.relative_to(ROOT).as_posix().removeprefix("docs/")


if __name__ == "__main__":
    faithfulness = ROOT / "docs" / "faithfulness.md"
    faithfulness.write_text(with_papers(faithfulness.read_text()))
