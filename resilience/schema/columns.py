"""What a column and a table are made of."""

from __future__ import annotations

from typing import Annotated, Any

import pandas as pd
import pandera.pandas as pa

Time = Annotated[pd.DatetimeTZDtype, "us", "UTC"]


def column(meaning: str, unit: str = "", *, nullable: bool = False, **rules: Any) -> Any:
    return pa.Field(nullable=nullable, description=meaning, metadata={"unit": unit}, **rules)


def maybe(meaning: str, unit: str = "", **rules: Any) -> Any:
    return column(meaning, unit, nullable=True, **rules)


class Table(pa.DataFrameModel):
    class Config:
        strict = True
        coerce = False
