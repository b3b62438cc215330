from pathlib import Path

from suite.site.details.papers import NO_AIDS


def test_without_aids_nothing_is_opened() -> None:
    found = NO_AIDS.look(Path("set.safetensors"), "set")
    assert not found.picture and not found.loader and found.missing
