"""Tables on the pages, which anyone can take home as CSV by the button above them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.plain import frame_in_table, in_table


def show(
    frame: pd.DataFrame,
    *,
    on: DeltaGenerator | None = None,
    column_config: dict[str, Any] | None = None,
    names: Collection[str] = (),
    **how: Any,
) -> Any:
    """`st.dataframe`, or that of the column `on`, in which no name is a formula; names of columns in `column_config` follow.

    Heads begin with a capital, but for columns that are called by `names` of classes or runs.
    """
    config = {name: column for name, column in (column_config or {}).items() if name not in frame.columns}
    for name in frame.columns:
        config[name] = _headed(name, (column_config or {}).get(name, {}), plain=name in names)
    config = {in_table(name): column for name, column in config.items()}
    return (on or st).dataframe(frame_in_table(frame), column_config=config, **how)


def _headed(name: Any, column: Any, *, plain: bool) -> Any:
    """The settings of a column with its head; None hides it."""
    if column is None or plain or not isinstance(name, str):
        return column
    given = {"label": column} if isinstance(column, str) else dict(column)
    label = given.get("label") or in_table(name)
    return given | {"label": f"{label[:1].upper()}{label[1:]}"}
