"""Where a dataset's labels come from: several sources with confidence and precedence, and how old a log may be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from tierwise.api.common import ApiModel, Duration, Name, list_map
from tierwise.api.rules import LABEL_SOURCE, VOLUME, validations

COLUMN_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.]*$"
OPTIONAL_COLUMN_PATTERN = r"^([A-Za-z_][A-Za-z0-9_.]*)?$"
TABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$"


def _none_when_empty(value: object) -> object:
    return None if value == "" else value


# "" switches off a column that has a default, because the API server would turn null into the default.
Column = Annotated[str, Field(min_length=1, max_length=128, pattern=COLUMN_PATTERN)]
OptionalColumn = Annotated[
    Annotated[str, Field(max_length=128, pattern=OPTIONAL_COLUMN_PATTERN)] | None,
    BeforeValidator(_none_when_empty),
]


class LabelSource(ApiModel):
    """One source of labels: a column of the log, a table beside it, or a table in PostgreSQL."""

    model_config = ConfigDict(json_schema_extra=validations(LABEL_SOURCE))

    name: Name = Field(description="Name of the source, unique in this list; reports of conflicts use it.")
    kind: Literal["Column", "Table", "PostgreSQL"] = Field(
        "Column",
        description="Column: a column of the log. Table: a ClickHouse table, joined by request id. PostgreSQL: a table "
        "there, read through a named collection of ClickHouse, which holds the credentials.",
    )
    column: Column = Field(description="The true label: 0 or 1; null while it is not known.")
    table: str | None = Field(
        None, min_length=1, max_length=253, pattern=TABLE_PATTERN, description="The label table (not for Column)."
    )
    key: Column | None = Field(
        None, description="The label table's column with the request id, as in columns.requestId (not for Column)."
    )
    collection: Column | None = Field(None, description="ClickHouse's named collection (PostgreSQL only).")
    labelled_at: OptionalColumn = Field(
        None, description="When the label came. Without it a label counts whenever it is read."
    )
    where: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="SQL condition over the source's own columns for which labels count, checked before it is sent.",
    )
    confidence: float = Field(
        1.0, ge=0, le=1, description="How far the source is trusted; compared with minConfidence."
    )


class Labels(ApiModel):
    """Sources of labels, the most trusted first: a later one counts where no earlier one has a label by maturity."""

    sources: list[LabelSource] = Field(
        min_length=1, max_length=8, description="In order of precedence.", json_schema_extra=list_map("name")
    )
    min_confidence: float = Field(
        0.0, ge=0, le=1, description="A source below this confidence is compared with others, but not used to judge."
    )


class Freshness(ApiModel):
    """How old the newest prediction may be."""

    max_age: Duration = Field(description="If the newest prediction is older, the gate holds with reason StaleLog.")


class Volume(ApiModel):
    """How many rows of both versions together are expected; fewer hold the gate with reason TooFewRows."""

    model_config = ConfigDict(json_schema_extra=validations(VOLUME))

    per: Duration = Field("1h", description="Length of the time in which rows are counted, up to the newest block.")
    min_rows: int | None = Field(None, ge=1, le=10**12, description="Fewest predictions in that time.")
    min_labels: int | None = Field(None, ge=1, le=10**12, description="Fewest labelled predictions in that time.")
