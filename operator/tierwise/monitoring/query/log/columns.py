"""A dataset's columns as SQL. They are found in the table's schema, quoted and checked by the SQL guard. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tierwise.api.common import duration_seconds
from tierwise.api.monitoringdataset import OUTCOMES, MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.errors import RefusedError
from tierwise.monitoring.counts.model import Dataset, Scope
from tierwise.monitoring.query.log.binning import number_sql
from tierwise.monitoring.query.log.quoting import is_reserved, table_sql
from tierwise.monitoring.query.log.quoting import quote as quote
from tierwise.monitoring.sqlguard.guard import expression_columns, guard_expression, guard_select
from tierwise.monitoring.sqlguard.row_multiplication import require_single_rows


@dataclass(frozen=True, slots=True)
class Source:
    """The table (or the parenthesised subselect) a dataset reads, as SQL, with its columns and their types."""

    sql: str
    columns: Mapping[str, str]


def source_sql(spec: MonitoringDatasetSpec) -> str:
    """What follows FROM: the quoted table, or the guarded `query` in parentheses.

    Raises:
        RefusedError: neither is set, the guard refuses the query, or it may multiply rows.
    """
    if spec.query is not None:
        # With `table` the query may read only that table; without it, any single table.
        guarded = guard_select(spec.query, tables=None if spec.table is None else (spec.table,))
        require_single_rows(spec)
        return f"({guarded})"
    if not spec.table:
        raise RefusedError("neither spec.table nor spec.query is set", "name the table of the prediction log")
    return table_sql(spec.table)


@dataclass(frozen=True, slots=True)
class Log:
    """A dataset's columns as SQL expressions, found in the source's schema and guarded."""

    dataset: Dataset
    source: Source

    @property
    def spec(self) -> MonitoringDatasetSpec:
        """The spec of the dataset."""
        return self.dataset.spec

    def column(self, role: str) -> str:
        """The quoted column of a role such as `score`.

        Raises:
            RefusedError: UnknownColumn, naming the columns there are.
        """
        name = getattr(self.spec.columns, role)
        if name is None:
            raise RefusedError(f"dataset {self.dataset.name!r}: spec.columns.{role} is not set", "name the column")
        column = self.named(name, f"columns.{_camel(role)}")
        if role == "time" and "DateTime" not in self.source.columns[name]:
            # A Date has no hours, which blocks need, and a text or number has no time zone.
            raise RefusedError(
                f"dataset {self.dataset.name!r}: the time {name!r} is {self.source.columns[name]}, not a time",
                "set spec.columns.time to a DateTime or DateTime64 column, or convert it in spec.query",
            )
        return column

    def named(self, name: str, field: str) -> str:
        """A column, quoted, by its own name, which a field of the spec gives.

        Raises:
            RefusedError: UnknownColumn, naming the columns there are.
        """
        if name not in self.source.columns:
            known = ", ".join(self.source.columns)
            where = self.spec.table or "the query"
            raise RefusedError(
                f"dataset {self.dataset.name!r}: column {name!r} is not in {where} (columns: {known})",
                f"set spec.{field}",
                reason=Reason.UNKNOWN_COLUMN,
            )
        if is_reserved(name):
            raise RefusedError(
                f"dataset {self.dataset.name!r}: the column name {name!r} is used by Tierwise itself",
                f"give it another name in spec.query, and set spec.{field}",
            )
        return quote(name)

    def type_of(self, role: str) -> str:
        """The column's ClickHouse type; the column must exist."""
        return self.source.columns[getattr(self.spec.columns, role)]

    @property
    def single_precision(self) -> bool:
        """Whether scores are stored in Float32."""
        self.column("score")
        return "Float32" in self.type_of("score")

    def text(self, role: str) -> str:
        """A column as a string, for comparisons."""
        column = self.column(role)
        return column if "String" in self.type_of(role) else f"toString({column})"

    def score(self) -> str:
        """The score as a non-null float in its own precision; null is NaN."""
        column = self.column("score")
        kind = self.type_of("score")
        if not any(number in kind for number in ("Float", "Int", "Decimal", "Bool")):
            raise RefusedError(
                f"dataset {self.dataset.name!r}: the score {self.spec.columns.score!r} is {kind}, not a number",
                "set spec.columns.score to the column of the score",
            )
        value = column if "Float32" in kind or "Float64" in kind else f"toFloat64({column})"
        if "Nullable" in kind:
            value = f"ifNull({value}, {'toFloat32' if self.single_precision else 'toFloat64'}(nan))"
        return value

    def valid_score(self, score: str) -> str:
        """Whether a score is in the domain."""
        domain = self.spec.domain
        low = number_sql(domain.min, single_precision=self.single_precision)
        high = number_sql(domain.max, single_precision=self.single_precision)
        # every comparison with NaN is false, so NaN is not valid either
        parts = [f"{score} >= {low}", f"{score} <= {high}"]
        parts += [f"{score} != {number_sql(x, single_precision=self.single_precision)}" for x in domain.exclude]
        return "(" + " AND ".join(parts) + ")"

    def answer(self, score: str) -> str:
        """0 negative, 1 positive, 2 invalid."""
        threshold = number_sql(self.spec.threshold, single_precision=self.single_precision)
        positive = f"{score} >= {threshold}" if self.spec.positive == "AtOrAbove" else f"{score} < {threshold}"
        return f"if({self.valid_score(score)}, toUInt8({positive}), 2)"

    def counts(self) -> str | None:
        """The condition `where`, which says which labels count; None if all do."""
        if self.spec.where is None:
            return None
        return f"ifNull(toBool({guard_expression(self.spec.where, what='spec.where')}), false)"

    def dimension(self, name: str) -> str:
        """A dimension's value as a string; null is the value `null`."""
        for dimension in self.spec.dimensions:
            if dimension.name == name:
                if is_reserved(dimension.expression.strip("`")):
                    self.named(dimension.expression.strip("`"), f"dimensions[{name}].expression")
                expression = guard_expression(dimension.expression, what=f"spec.dimensions[{name}].expression")
                self._refuse_outcomes(name, dimension.expression)
                if self.source.columns.get(dimension.expression.strip("`")) in ("String", "LowCardinality(String)"):
                    return expression
                return f"ifNull(toString({expression}), 'null')"
        known = ", ".join(d.name for d in self.spec.dimensions) or "none"
        raise RefusedError(
            f"dataset {self.dataset.name!r}: dimension {name!r} is not defined (dimensions: {known})",
            "add it to spec.dimensions or slice by one of these",
            reason=Reason.UNKNOWN_DIMENSION,
        )

    def _refuse_outcomes(self, name: str, expression: str) -> None:
        """Slices must be known before the prediction: one made of answers or labels has other rows in either arm."""
        outcomes = {column.strip("`"): field for field, column in self._outcomes() if column}
        used = expression_columns(expression, what=f"spec.dimensions[{name}].expression")
        if found := sorted(used & outcomes.keys()):
            raise RefusedError(
                f"dataset {self.dataset.name!r}: dimension {name!r} uses column {found[0]!r} "
                f"({outcomes[found[0]]}), which is not known before the prediction: both versions would be "
                "compared on rows that they chose themselves",
                "slice by what the request says",
                reason=Reason.QUERY_REFUSED,
            )

    def _outcomes(self) -> Iterator[tuple[str, str | None]]:
        """The fields of the spec that name a column of what the version did or what became of it, and the columns."""
        sources = self.spec.labels.sources if self.spec.labels is not None else []
        for source in sources:
            if source.kind == "Column":
                yield f"labels.sources[{source.name}].column", source.column
                yield f"labels.sources[{source.name}].labelledAt", source.labelled_at
        for role in OUTCOMES:
            yield f"columns.{_camel(role)}", getattr(self.spec.columns, role)

    def scope_conditions(self, scope: Scope) -> list[str]:
        """Conditions for model and tiers, without versions and time."""
        conditions = []
        if scope.model is not None and self.spec.columns.model is not None:
            conditions.append(f"{self.text('model')} = {{model:String}}")
        if scope.tiers:
            conditions.append(f"{self.text('tier')} IN {{tiers:Array(String)}}")
        return conditions

    def scope_parameters(self, scope: Scope) -> dict[str, object]:
        """The parameters for `scope_conditions`, the versions and maturity."""
        parameters: dict[str, object] = {
            "baseline": scope.baseline,
            "candidate": scope.candidate,
            "maturity": duration_seconds(self.spec.maturity),
        }
        if scope.model is not None and self.spec.columns.model is not None:
            parameters["model"] = scope.model
        if scope.tiers:
            parameters["tiers"] = list(scope.tiers)
        return parameters

    def versions(self) -> str:
        """The condition for the two versions. Without it a third version would count as the baseline."""
        return f"{self.text('version')} IN ({{baseline:String}}, {{candidate:String}})"


def _camel(role: str) -> str:
    head, *tail = role.split("_")
    return head + "".join(part.title() for part in tail)
