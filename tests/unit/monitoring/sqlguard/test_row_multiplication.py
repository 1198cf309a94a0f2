"""A query that may make several rows of one needs a column that tells predictions apart."""

import pytest

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.errors import RefusedError
from tierwise.monitoring.query.look.counts import source_sql

MULTIPLY = {
    "SELECT * FROM t ARRAY JOIN scores AS score": "ARRAY JOIN",
    "SELECT * FROM t LEFT ARRAY JOIN scores AS score": "ARRAY JOIN",
    "SELECT * FROM (SELECT * FROM t ARRAY JOIN scores AS score)": "ARRAY JOIN",
    "SELECT * FROM t AS a JOIN t AS b ON a.id = b.id": "JOIN",
    "SELECT * FROM t AS a ALL LEFT JOIN t AS b ON a.id = b.id": "JOIN",
    "SELECT * FROM t AS a ANY RIGHT JOIN t AS b ON a.id = b.id": "JOIN",
    "SELECT * FROM t AS a FULL OUTER JOIN t AS b ON a.id = b.id": "JOIN",
    "WITH x AS (SELECT * FROM t JOIN t AS b ON t.id = b.id) SELECT * FROM x": "JOIN",
}
SINGLE = (
    "SELECT * FROM t",
    "SELECT * FROM t AS a LEFT ANY JOIN t AS b ON a.id = b.id",
    "SELECT * FROM t AS a INNER ANY JOIN t AS b ON a.id = b.id",
    "SELECT * FROM t AS a SEMI JOIN t AS b ON a.id = b.id",
    "SELECT * FROM t AS a ASOF JOIN t AS b ON a.id = b.id AND a.ts >= b.ts",
)


def a_spec(query: str, **columns: str) -> MonitoringDatasetSpec:
    return MonitoringDatasetSpec.model_validate({"query": query, "columns": columns})


@pytest.mark.parametrize(("query", "clause"), MULTIPLY.items())
def test_what_may_multiply_rows_is_refused_with_the_way_out(query, clause):
    told = f"{clause} can make several rows of one prediction.*set spec.columns.requestId"
    with pytest.raises(RefusedError, match=told) as caught:
        source_sql(a_spec(query))
    assert caught.value.reason is Reason.QUERY_REFUSED
    assert source_sql(a_spec(query, requestId="id")) == f"({query})"


@pytest.mark.parametrize("query", SINGLE)
def test_what_joins_a_row_with_one_at_most_is_sent_as_it_is(query):
    assert source_sql(a_spec(query)) == f"({query})"
