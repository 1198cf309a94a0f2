"""MonitoringDataset (``mds``): where labelled predictions are and how they are sliced."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from tierwise.api.common import (
    EMPTY_OBJECT,
    LIST_SET,
    ApiModel,
    Condition,
    DimensionName,
    Duration,
    Message,
    MetricName,
    Name,
    Timestamp,
    list_map,
)
from tierwise.api.labelsources import TABLE_PATTERN, Column, Freshness, Labels, OptionalColumn, Volume
from tierwise.api.modeldeployment import SecretKey
from tierwise.api.rules import CLASSES, DEDUPLICATE, DOMAIN, LABEL_TABLES, NUMBER_DOMAIN, TABLE_OR_QUERY, validations


def without_unset(data: dict[str, Any], unset: dict[str, object]) -> dict[str, Any]:
    """`data` without the keys that have the value in `unset`.

    A field of a later release is written only if it is set. So texts and hashes of earlier releases stay the same.
    """
    return {key: value for key, value in data.items() if key not in unset or value != unset[key]}


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
    unit: OptionalColumn = Field(
        None, description="Whose rows are not independent of each other, such as a user's id. Default: none."
    )
    score: Column = Field("score", description="Score or answer of the model.")
    label: Column = Field("label", description="The true label: 0 or 1; null while it is not known.")
    labelled_at: OptionalColumn = Field(
        None, description="When the label came. Without it a label counts whenever it is read."
    )
    request_id: OptionalColumn = Field(
        None, description="The request's id: joins label tables, and finds rows that were logged twice. Default: none."
    )
    weight: OptionalColumn = Field(
        None, description="Sample weight, above 0: the inverse of the rate at which the row was sampled. Default: none."
    )
    latency: OptionalColumn = Field(None, description="Milliseconds that serving took. Default: none.")
    status: OptionalColumn = Field(None, description="The response's HTTP status or error code. Default: none.")
    top: OptionalColumn = Field(
        None, description="Array of the best classes, the best first, for top-k metrics. Default: none."
    )

    @model_serializer(mode="wrap")
    def _only_what_is_set(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        later = ("unit", "request_id", "requestId", "weight", "latency", "status", "top")
        return without_unset(serialize(self), dict.fromkeys(later))


# The roles of columns that are not known before the prediction. A dimension may not use them (docs/statistics.md, A4).
OUTCOMES = ("version", "score", "label", "labelled_at", "latency", "status", "top")


class Domain(ApiModel):
    """The range of valid scores."""

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
        "Log: equal ratios. Classes: score and label hold the predicted and the true class of spec.classes. "
        "None: no distribution is stored, only answers and sums.",
    )
    bins: int = Field(100, ge=2, le=1000, description="Number of bins.")


class Dimension(ApiModel):
    """An SQL expression over the log."""

    name: DimensionName = Field(description="Name of the dimension, unique in this list; slices refer to it.")
    expression: str = Field(
        min_length=1,
        max_length=1024,
        description="SQL over the table's columns, checked before it is sent. It must be known before the prediction: "
        "the columns of the version, of its answers (score, top, latency, status) and of labels are refused.",
    )
    max_values: int = Field(
        50, ge=2, le=10000, description="How many of the most frequent values are slices; the rest count as 'other'."
    )


class Value(ApiModel):
    """A number of every row that metrics such as ratio@clicks/impressions and mean@revenue name."""

    name: DimensionName = Field(description="Name of the value, unique in this list; metrics refer to it.")
    expression: str = Field(
        min_length=1,
        max_length=1024,
        description="SQL over the table's columns, checked before it is sent.",
    )


class MetricThreshold(ApiModel):
    """The threshold of one metric."""

    metric: MetricName = Field(description="The metric, as in a ModelDeployment's analysis.")
    threshold: float = Field(description="Instead of spec.threshold.")


class MonitoringDatasetSpec(ApiModel):
    """A labelled part of the prediction log."""

    model_config = ConfigDict(
        json_schema_extra=validations(TABLE_OR_QUERY, NUMBER_DOMAIN, CLASSES, LABEL_TABLES, DEDUPLICATE)
    )

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
    maturity: Duration = Field("0s", description="Label delay, 99th percentile: a block is judged when it is this old.")
    threshold: float = Field(0.5, description="Turns scores into answers, with `positive`.")
    positive: Literal["AtOrAbove", "Below"] = Field(
        "AtOrAbove", description="On which side of the threshold the answer is yes."
    )
    # No default in the schema, because a rule must see whether it was given.
    domain: Domain = Field(
        default_factory=Domain,
        description="The range of valid scores. If most scores are outside, the candidate is rolled back. Default: "
        "0 to 1; required with target: Number.",
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
    classes: list[Annotated[str, Field(min_length=1, max_length=128)]] = Field(
        default_factory=list,
        max_length=100,
        description="Names of the classes, for scale Classes; any other score or label is invalid.",
        json_schema_extra=LIST_SET,
    )
    target: Literal["Binary", "Number"] = Field(
        "Binary",
        description="What labels are, if they are not classes. Binary: 0 or 1. Number: any finite number, which the "
        "score predicts, for metrics such as mae; spec.domain must say which predictions are valid.",
    )
    values: list[Value] = Field(
        default_factory=list,
        max_length=16,
        description="Numbers of every row that metrics name, such as clicks and impressions.",
        json_schema_extra=list_map("name"),
    )
    thresholds: list[MetricThreshold] = Field(
        default_factory=list,
        max_length=16,
        description="Thresholds of single metrics, instead of spec.threshold.",
        json_schema_extra=list_map("metric"),
    )
    labels: Labels | None = Field(
        None, description="Several sources of labels, instead of columns.label and columns.labelledAt."
    )
    deduplicate: bool = Field(
        False, description="Count a request id once in each look: its first row. Needs columns.requestId."
    )
    freshness: Freshness | None = Field(
        None, description="How old the newest prediction may be. Default: five intervals, at least a minute."
    )
    volume: Volume | None = Field(None, description="How many rows are expected. Default: any.")

    def threshold_of(self, metric: str) -> float:
        """The threshold at which a metric reads answers."""
        return next((item.threshold for item in self.thresholds if item.metric == metric), self.threshold)

    @model_serializer(mode="wrap")
    def _only_what_is_set(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        later = {"classes": [], "target": "Binary", "values": [], "thresholds": [], "deduplicate": False}
        return without_unset(serialize(self), later | dict.fromkeys(("labels", "freshness", "volume")))


class LoggedVersion(ApiModel):
    """Rows of one version."""

    name: str = Field(max_length=256, description="The version's name in the log.")
    rows: int = Field(ge=0, description="Its predictions in the window.")


class DifferingSources(ApiModel):
    """Two sources of labels that differ."""

    first: Name = Field(description="Name of the more trusted source.")
    second: Name = Field(description="Name of the other.")
    both: int = Field(ge=0, description="Rows that both label.")
    differ: int = Field(ge=0, description="Rows of these on which they differ.")


class LogStatus(ApiModel):
    """The content of the log when it was last measured."""

    newest: Timestamp = Field(description="Time of the newest prediction.")
    since: Timestamp = Field(description="Start of the window in which rows were counted: spec.volume.per, or an hour.")
    until: Timestamp = Field(
        description="Its end: the newest prediction, or the latest one whose labels had spec.maturity to arrive."
    )
    rows: int = Field(ge=0, description="Predictions in the window, of all models and versions.")
    labelled: float | None = Field(
        None, ge=0, le=1, description="Share of them with a label that counts, of the two versions with most rows."
    )
    versions: list[LoggedVersion] = Field(
        default_factory=list,
        max_length=20,
        description="The versions with most rows.",
        json_schema_extra=list_map("name"),
    )
    differing_sources: list[DifferingSources] = Field(
        default_factory=list, max_length=28, description="Pairs of label sources that differ."
    )


class DatasetSummary(ApiModel):
    """Text for `kubectl get`."""

    labelled: str = Field("", max_length=16, description="Share of labelled predictions.")
    versions: str = Field("", max_length=512, description="Versions in the window, those with most rows first.")
    message: Message = Field("", description="Why it is Ready or not, with numbers.")


class MonitoringDatasetStatus(ApiModel):
    """Whether the dataset can be used. Written when something changed."""

    observed_generation: int = Field(
        -1, description="The metadata.generation that this status describes; -1: none yet."
    )
    conditions: list[Condition] = Field(
        default_factory=list,
        description="Ready: its columns and SQL were tried, and rows and labels come. Reconciling, Stalled. "
        "LabelsAgree where there are several sources of labels. ModelNameUnique, False where another namespace's "
        "model of the same name is logged in the same table.",
        json_schema_extra=list_map("type"),
    )
    log: LogStatus | None = Field(None, description="What was measured in the log.")
    summary: DatasetSummary | None = Field(None, description="Text for `kubectl get`, derived from the above.")
