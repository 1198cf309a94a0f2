"""Refuses a dataset's `query` that selects, adds or compares rows by other rows of the table. Pure.

The counts of a look must be the same whenever it is repeated, and every row must be one prediction. A LIMIT of a
growing log takes other rows each time, perhaps only those of one version. A row that was multiplied is not evidence.
"""

from __future__ import annotations

from sqlglot import exp

from tierwise.monitoring.sqlguard.refusals import query_refused

_FILTER = "choose rows by their columns with WHERE"


def refuse_other_rows(tree: exp.Select, what: str) -> None:
    """Refuse clauses that make a query's rows depend on the rest of the table.

    Raises:
        RefusedError: QueryRefused; it names the clause.
    """
    for node in tree.walk():
        if isinstance(node, exp.Limit) and node.expressions:
            raise query_refused(
                f"{what}: LIMIT BY takes whichever row of a group comes first, and another one later",
                "leave repeated rows out with spec.deduplicate and columns.requestId",
            )
        if isinstance(node, exp.Limit | exp.Fetch | exp.Offset):
            raise query_refused(
                f"{what}: LIMIT takes other rows each time the table grows, perhaps of one version only", _FILTER
            )
        if isinstance(node, exp.Distinct) and node.args.get("on") is not None:
            raise query_refused(
                f"{what}: DISTINCT ON takes whichever row of a group comes first, and another one later",
                "leave repeated rows out with spec.deduplicate and columns.requestId",
            )
        if isinstance(node, exp.Group) and node.args.get("totals"):
            raise query_refused(f"{what}: WITH TOTALS adds a row that is no prediction", "remove the clause")
        if isinstance(node, exp.Explode):
            raise query_refused(
                f"{what}: arrayJoin makes several rows of one, each of which would count as evidence",
                "unfold a column of predictions with ARRAY JOIN, or give one value a row",
            )
        if isinstance(node, exp.Select) and node is not tree and not _is_read_from(node):
            raise query_refused(
                f"{what}: a subquery in an expression asks the table about itself, which grows",
                f"{_FILTER}, or look values up with dictGet",
            )
        if isinstance(node, exp.Join):
            _refuse_join(node, what)


def _is_read_from(select: exp.Select) -> bool:
    """Whether the SELECT is after FROM or JOIN, or WITH gives it a name as a table."""
    if isinstance(select.parent, exp.CTE):
        return True
    node = select.parent
    while isinstance(node, exp.Subquery) and isinstance(node.parent, exp.Subquery):
        node = node.parent
    return isinstance(node, exp.Subquery) and isinstance(node.parent, exp.From | exp.Join | exp.Final)


def _refuse_join(join: exp.Join, what: str) -> None:
    if str(join.args.get("kind") or "").upper() == "ARRAY":
        if join.this.find(exp.Column) is None:
            raise query_refused(
                f"{what}: ARRAY JOIN of values that are no column's repeats every row",
                "unfold a column that holds a prediction in each element",
            )
        return
    condition = join.args.get("on")
    sides = set() if condition is None else {column.sql() for column in condition.find_all(exp.Column)}
    if not join.args.get("using") and len(sides) < 2:
        raise query_refused(
            f"{what}: a JOIN without a condition pairs every row with every other",
            "join ON columns of both sides that tell predictions apart",
        )
