"""Differences from papers: read from the file beside a method."""

from pathlib import Path

import pytest

from suite.plugins import registry
from suite.plugins.differences import differences


@pytest.mark.parametrize("name", registry.names("method"))
def test_every_file_can_be_read(name: str) -> None:
    points = [each.point for each in differences(name)]
    assert len(points) == len(set(points))
    assert all(each.paper and each.ours and each.why for each in differences(name))


def test_every_file_belongs_to_a_method() -> None:
    folder = Path(registry.file("method", "dm")).parent / "papers"
    assert {path.stem for path in folder.iterdir()} <= set(registry.names("method"))


def test_a_method_in_a_file_may_have_one(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(Path(registry.file("method", "random_subset")).read_text())
    assert differences(str(tmp_path / "mine.py")) == ()
    (tmp_path / "papers").mkdir()
    path = tmp_path / "papers" / "mine.toml"
    path.write_text('[[difference]]\npoint = "rate"\npaper = "1"\nours = "2"\nwhy = "a reason"\n')
    assert [each.ours for each in differences(str(tmp_path / "mine.py"))] == ["2"]


@pytest.mark.parametrize(
    "text", ['[[difference]]\npoint = "rate"\n', "no toml", "[[difference]]\nours = 1\n"]
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.py").write_text(Path(registry.file("method", "random_subset")).read_text())
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "mine.toml").write_text(text)
    with pytest.raises(ValueError, match=r"mine\.toml"):
        differences(str(tmp_path / "mine.py"))
