"""Templates."""

import pytest
from jinja2 import DictLoader, UndefinedError
from markupsafe import Markup

from suite.site import rendering


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> None:
    templates = {"page": "{{ root }}|{{ text }}", "wrong": "{{ text.mispelt }}"}
    monkeypatch.setattr(rendering.environment(), "loader", DictLoader(templates))
    monkeypatch.setattr(rendering.environment(), "cache", {})


@pytest.mark.usefixtures("written")
def test_texts_are_escaped_and_markup_is_not() -> None:
    escaped = rendering.page("a/b.html", "page", text="<b title='\"'>&")
    assert escaped.content == b"../|&lt;b title=&#39;&#34;&#39;&gt;&amp;" and escaped.path == "a/b.html"
    assert rendering.page("c.html", "page", text=Markup("<svg/>")).content == b"|<svg/>"


@pytest.mark.usefixtures("written")
def test_what_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        rendering.page("a.html", "page")
    with pytest.raises(UndefinedError):
        rendering.page("a.html", "wrong", text="")
