"""A query gives every prediction of its table once, and the same ones whenever it is asked."""

import pytest

from tierwise.api.reasons import Reason
from tierwise.errors import RefusedError
from tierwise.monitoring.sqlguard.guard import guard_select

REFUSED = {
    "SELECT * FROM t LIMIT 10000": "LIMIT takes other rows.*WHERE",
    "SELECT * FROM t ORDER BY score DESC LIMIT 20000": "LIMIT takes other rows",
    "SELECT * FROM (SELECT * FROM t LIMIT 5)": "LIMIT takes other rows",
    "SELECT * FROM t LIMIT 5 WITH TIES": "LIMIT takes other rows",
    "SELECT * FROM t LIMIT 5, 10": "LIMIT takes other rows",
    "SELECT * FROM t OFFSET 3": "LIMIT takes other rows",
    "SELECT * FROM t FETCH FIRST 5 ROWS ONLY": "LIMIT takes other rows",
    "SELECT * FROM t LIMIT 1 BY id": "LIMIT BY takes whichever.*spec.deduplicate",
    "SELECT DISTINCT ON (id) * FROM t": "DISTINCT ON takes whichever.*spec.deduplicate",
    "SELECT a FROM t GROUP BY a WITH TOTALS": "WITH TOTALS adds a row",
    "SELECT a FROM t GROUP BY ALL WITH TOTALS": "WITH TOTALS adds a row",
    "SELECT *, arrayJoin(scores) AS score FROM t": "arrayJoin.*ARRAY JOIN",
    "SELECT * REPLACE (concat(id, toString(arrayJoin([1, 2, 3]))) AS id) FROM t": "arrayJoin",
    "SELECT *, `arrayJoin`([1, 2]) AS k FROM t": "arrayJoin",
    'SELECT *, "arrayJoin"([1, 2]) AS k FROM t': "arrayJoin",
    "SELECT * FROM t WHERE id IN (SELECT id FROM t)": "subquery in an expression",
    "WITH a AS (SELECT id FROM t) SELECT * FROM t WHERE id IN (SELECT id FROM a)": "subquery in an expression",
    "SELECT *, (SELECT a FROM t) AS b FROM t": "subquery in an expression",
    "WITH (SELECT a FROM t) AS b SELECT *, b FROM t": "subquery in an expression",
    "SELECT * FROM t ARRAY JOIN [1, 2] AS k": "ARRAY JOIN of values",
    "SELECT * FROM t AS a, t AS b": "JOIN without a condition",
    "SELECT * FROM t AS a CROSS JOIN t AS b": "JOIN without a condition",
    "SELECT * FROM t AS a PASTE JOIN t AS b": "JOIN without a condition",
    "SELECT * FROM t AS a JOIN t AS b ON 1 = 1": "JOIN without a condition",
    "SELECT * FROM t AS a JOIN t AS b ON a.v = a.v": "JOIN without a condition",
    "SELECT * FROM t SAMPLE 0.1": "SAMPLE reads a part of the log",
}
PASS = [
    "SELECT * FROM (SELECT * FROM t) FINAL",
    "SELECT * FROM t ORDER BY ts",
    "SELECT * FROM t ARRAY JOIN scores AS score",
    "SELECT * FROM t ARRAY JOIN scores AS score, ids AS id",
    "SELECT * FROM t ARRAY JOIN arrayMap(x -> x + 1, scores) AS score",
    "SELECT * FROM t AS a SEMI JOIN (SELECT id FROM t) AS b ON a.id = b.id",
    "SELECT * FROM t AS a ANY JOIN t AS b USING (id)",
    "SELECT * FROM ((SELECT a FROM t))",
]


@pytest.mark.parametrize(("sql", "told"), REFUSED.items())
def test_a_query_whose_rows_are_not_the_tables_predictions_is_refused(sql, told):
    with pytest.raises(RefusedError, match=told) as caught:
        guard_select(sql)
    assert caught.value.reason is Reason.QUERY_REFUSED
    assert caught.value.remedy


@pytest.mark.parametrize("sql", PASS)
def test_a_query_that_gives_each_prediction_once_passes(sql):
    assert guard_select(sql) == sql
