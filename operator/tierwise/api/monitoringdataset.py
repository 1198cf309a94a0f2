"""MonitoringDataset (``mds``): where labelled predictions are and how they are sliced."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from tierwise.api.common import EMPTY_OBJECT, ApiModel, Condition, DimensionName, Duration, list_map
from tierwise.api.modeldeployment import SecretKey
from tierwise.api.rules import DOMAIN, TABLE_OR_QUERY, validations

COLUMN_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.]*$"
OPTIONAL_COLUMN_PATTERN = r"^([A-Za-z_][A-Za-z0-9_.]*)?$"
TABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$"


def _none_when_empty(value: object) -> object:
    return None if value == "" else value


# A column with a default is switched off by "": the API server would turn null into the default.
Column = Annotated[str, Field(min_length=1, max_length=128, pattern=COLUMN_PATTERN)]
OptionalColumn = Annotated[
    Annotated[str, Field(max_length=128, pattern=OPTIONAL_COLUMN_PATTERN)] | None,
    BeforeValidator(_none_when_empty),
]


class Store(ApiModel):
    """Which ClickHouse; default: the operator's own store."""

    dsn_secret: SecretKey = Field(
        description="The Secret's key that holds the DSN, such as clickhouse://reader:…@ch:8123/logs."
    )


class Columns(ApiModel):
    """Names of the log's columns."""

    time: Column = Field("ts", description="Time of serving.")
    model: OptionalColumn = Field("model", description='The model\'s name; "" when the table holds one model only.')
    version: Column = Field(
        "model_version", description="The version's name, as in a ModelDeployment's spec.version.name."
    )
    commit: OptionalColumn = Field(
        None, description="The version's commit, compared with what pods report. Default: none."
    )
    tier: OptionalColumn = Field("tier", description='The tier\'s name; "" when the table has none.')
    pod: OptionalColumn = Field(None, description="The pod that served. Default: none.")
    score: Column = Field("score", description="Score or answer of the model.")
    label: Column = Field("label", description="What was right: 0, 1, or null as long as it is not known.")
    labelled_at: OptionalColumn = Field(
        None, description="When the label came. Without it a label counts whenever it is read."
    )


class Domain(ApiModel):
    """Where a score is valid."""

    model_config = ConfigDict(json_schema_extra=validations(DOMAIN))

    min: float = Field(0.0, description="Smallest valid score.")
    max: float = Field(1.0, description="Largest valid score.")
    exclude: list[float] = Field(
        default_factory=list, max_length=16, description="Scores that are invalid, such as a default of 0."
    )


class Scale(ApiModel):
    """How scores are binned in the stored distributions."""

    kind: Literal["Linear", "Logit", "Log", "Classes", "None"] = Field(
        "Linear",
        description="Linear: equal steps over the domain. Logit: equal steps of the logit from -8 to 8. "
        "Log: equal ratios. Classes and None are not supported yet.",
    )
    bins: int = Field(100, ge=2, le=1000, description="Number of bins.")


class Dimension(ApiModel):
    """An SQL expression over the log."""

    name: DimensionName = Field(description="Name of the dimension, unique in this list; slices refer to it.")
    expression: str = Field(
        min_length=1, max_length=1024, description="SQL over the table's columns, checked before it is sent."
    )
    max_values: int = Field(
        50, ge=2, le=10000, description="Most frequent values that are kept apart; the others count as 'other'."
    )


class MonitoringDatasetSpec(ApiModel):
    """A labelled part of the prediction log."""

    model_config = ConfigDict(json_schema_extra=validations(TABLE_OR_QUERY))

    store: Store | None = Field(None, description="Which ClickHouse. Default: the operator's own store.")
    table: str | None = Field(
        None,
        min_length=1,
        max_length=253,
        pattern=TABLE_PATTERN,
        description="The prediction log's table, or database.table.",
    )
    query: str | None = Field(
        None, min_length=1, max_length=8192, description="Instead of table: one SELECT, checked before it is sent."
    )
    columns: Columns = Field(
        default_factory=Columns, description="Names of the log's columns.", json_schema_extra=EMPTY_OBJECT
    )
    where: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="SQL condition for which labels count, checked before it is sent; rows without a label stay.",
    )
    maturity: Duration = Field("0s", description="Label delay, 99th percentile: a block is judged when it is so old.")
    threshold: float = Field(0.5, description="Turns scores into answers, with `positive`.")
    positive: Literal["AtOrAbove", "Below"] = Field(
        "AtOrAbove", description="On which side of the threshold the answer is yes."
    )
    domain: Domain = Field(
        default_factory=Domain,
        description="Valid scores; one outside is invalid, and a reason to act when it is everywhere.",
        json_schema_extra=EMPTY_OBJECT,
    )
    scale: Scale = Field(
        default_factory=Scale,
        description="How scores are binned in the stored distributions.",
        json_schema_extra=EMPTY_OBJECT,
    )
    dimensions: list[Dimension] = Field(
        default_factory=list,
        max_length=32,
        description="How the log can be sliced.",
        json_schema_extra=list_map("name"),
    )


class MonitoringDatasetStatus(ApiModel):
    """Whether the dataset can be used."""

    observed_generation: int = Field(
        -1, description="The metadata.generation that this status describes; -1: none yet."
    )
    conditions: list[Condition] = Field(
        default_factory=list, description="Ready: its columns and SQL were tried.", json_schema_extra=list_map("type")
    )
