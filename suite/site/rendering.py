"""Pages by jinja2: everything is escaped, and a missing value is an error."""

from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from suite.board.render import words
from suite.site import paths
from suite.site.charts.drawing.lines import SLOTS


@dataclass(frozen=True)
class File:
    """A file of the site. path: relative to its root, with slashes."""

    path: str
    content: bytes


def page(path: str, template: str, **values: object) -> File:
    """Return the page that `template` gives; `root` leads from it to the root of the site."""
    text = environment().get_template(template).render(root=paths.to_root(path), **values)
    return File(path, text.encode())


@cache
def environment() -> Environment:
    """Return the environment of all templates, which know `words` of the board and `paths`."""
    made = Environment(
        loader=PackageLoader("suite.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals |= {"words": words, "paths": paths, "most_lines": SLOTS}
    made.filters["place"] = lambda value: f"{round(value, 3):g}"
    return made
