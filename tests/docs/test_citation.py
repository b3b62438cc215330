"""CITATION.cff, the README's Cite and the package agree; cffconvert found the file valid."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]


def cited() -> dict[str, Any]:
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert isinstance(found, dict)
    return found


def entries() -> dict[str, dict[str, str]]:
    """Return the fields of each BibTeX entry of the README."""
    text = re.search(r"```bibtex\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert text
    each = re.findall(r"@\w+\{(\w+),\n(.*?)\n\}", text[1], re.S)
    return {key: dict(re.findall(r"(\w+) = \{+(.*?)\}+,", fields)) for key, fields in each}


def test_it_is_of_this_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = cited()
    assert (found["version"], found["license"]) == (project["version"], project["license"])
    assert found["cff-version"] == "1.2.0" and found["type"] == "software" and found["message"]


def test_it_says_what_the_readme_says() -> None:
    found, own = cited(), entries()["ratbench"]
    assert (found["title"], str(found["version"])) == (own["title"], own["version"])
    assert [author["name"] for author in found["authors"]] == [own["author"]]


def test_it_names_the_paper_as_the_readme_does() -> None:
    (paper,) = cited()["references"]
    own = entries()["feng2024embarrassingly"]
    names = " and ".join(f"{each['family-names']}, {each['given-names']}" for each in paper["authors"])
    assert (paper["title"], names, str(paper["year"])) == (own["title"], own["author"], own["year"])
    assert paper["conference"]["name"] == own["booktitle"]
    assert paper["identifiers"][0]["value"] == f"arXiv:{own['eprint']}"
