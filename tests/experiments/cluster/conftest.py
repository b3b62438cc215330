"""Ray's table of keys without Ray."""

import pytest

from suite.experiments.cluster import asking


@pytest.fixture
def ray_table(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    table: dict[str, bytes] = {}
    monkeypatch.setattr(asking, "_internal_kv_put", table.__setitem__)
    monkeypatch.setattr(asking, "_internal_kv_get", table.get)
    monkeypatch.setattr(asking, "_internal_kv_del", table.pop)
    return table
