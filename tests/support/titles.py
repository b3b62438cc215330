"""What a figure says of itself, which its pixels do not tell a test."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from suite.board.render import style


def facts(plot: Callable[[], bytes]) -> dict[str, Any]:
    """Return the title, the subtitle and the size with which `plot` makes its figure."""
    with patch.object(style, "png", return_value=b"") as drawn:
        plot()
    return dict(drawn.call_args.kwargs)
