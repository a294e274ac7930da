"""Tables on the pages, which anyone can take home as CSV by the button above them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.plain import frame_in_table, in_table


def show(frame: pd.DataFrame, *, on: DeltaGenerator | None = None, column_config: dict[str, Any] | None = None, **how: Any) -> Any:
    """`st.dataframe`, or that of the column `on`, in which no name is a formula; names of columns in `column_config` follow."""
    config = column_config and {in_table(name): column for name, column in column_config.items()}
    return (on or st).dataframe(frame_in_table(frame), column_config=config, **how)
