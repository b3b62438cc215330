"""Choose rows of a figure's measurements by task, images per class and method."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from suite.core.names import did_you_mean


def narrowed(
    rows: pd.DataFrame, wanted: Mapping[str, Sequence[str | int]], columns: Collection[str], figure: str
) -> pd.DataFrame:
    """Return the rows that have one of the `wanted` values in each column; none takes all.

    columns: those by which the figure's rows may be chosen. A method is meant with all its settings.
    Raises ValueError for another column, and for a value that no row has.
    """
    for column, values in wanted.items():
        if not values:
            continue
        if column not in columns:
            raise ValueError(f"--{column}: figure {figure} is not chosen by it; leave it out")
        found = rows[column].map(lambda value: str(value).partition(" (")[0])
        for value in map(str, values):
            if value not in set(found):
                known = did_you_mean(value, set(found))
                raise ValueError(f"--{column} {value}: nothing in the stores has it; {known}")
        rows = rows[found.isin([str(value) for value in values])].reset_index(drop=True)
    return rows
