"""Limits that many hyper-parameters share; None is a number that is not given."""


def at_least_one(settings: object, *names: str) -> None:
    """Raise ValueError where one of the named fields is below 1."""
    for name, value in _given(settings, names):
        if value < 1:
            raise ValueError(f"{name} {value} must be at least 1")


def above_zero(settings: object, *names: str) -> None:
    """Raise ValueError where one of the named fields is 0 or below."""
    for name, value in _given(settings, names):
        if value <= 0:
            raise ValueError(f"{name} {value} must be larger than 0")


def not_negative(settings: object, *names: str) -> None:
    """Raise ValueError where one of the named fields is below 0."""
    for name, value in _given(settings, names):
        if value < 0:
            raise ValueError(f"{name} {value} must not be negative")


def _given(settings: object, names: tuple[str, ...]) -> list[tuple[str, float]]:
    values = [(name, getattr(settings, name)) for name in names]
    return [(name, value) for name, value in values if value is not None]
