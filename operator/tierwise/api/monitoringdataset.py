"""MonitoringDataset (``mds``): where labelled predictions are and how they are sliced."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tierwise.api.common import ApiModel, Condition, Duration
from tierwise.api.modeldeployment import SecretKey


class Store(ApiModel):
    """Which ClickHouse; default: the operator's own store."""

    dsn_secret: SecretKey


class Columns(ApiModel):
    """Names of the log's columns."""

    time: str = "ts"
    model: str | None = "model"
    version: str = "model_version"
    commit: str | None = None
    tier: str | None = "tier"
    pod: str | None = None
    score: str = "score"
    label: str = "label"
    labelled_at: str | None = Field(None, description="Without it a label counts whenever it is read.")


class Domain(ApiModel):
    """Where a score is valid."""

    min: float = 0.0
    max: float = 1.0
    exclude: list[float] = Field(default_factory=list, max_length=16)


class Scale(ApiModel):
    """How scores are binned in the stored distributions."""

    kind: Literal["Linear", "Logit", "Log", "Classes", "None"] = "Linear"
    bins: int = Field(100, ge=2, le=1000)


class Dimension(ApiModel):
    """An SQL expression over the log."""

    name: str = Field(max_length=63, pattern=r"^[a-z][a-z0-9_]*$")
    expression: str = Field(min_length=1, max_length=1024)
    max_values: int = Field(50, ge=2, le=10000)


class MonitoringDatasetSpec(ApiModel):
    """A labelled part of the prediction log."""

    store: Store | None = None
    table: str | None = Field(None, max_length=253)
    query: str | None = Field(None, max_length=8192)
    columns: Columns = Field(default_factory=Columns)
    where: str | None = Field(None, max_length=4096, description="Which labels count; rows without a label stay.")
    maturity: Duration = "0s"
    threshold: float = 0.5
    positive: Literal["AtOrAbove", "Below"] = "AtOrAbove"
    domain: Domain = Field(default_factory=Domain)
    scale: Scale = Field(default_factory=Scale)
    dimensions: list[Dimension] = Field(default_factory=list, max_length=32)


class MonitoringDatasetStatus(ApiModel):
    """Whether the dataset can be used."""

    observed_generation: int = -1
    conditions: list[Condition] = Field(default_factory=list)
