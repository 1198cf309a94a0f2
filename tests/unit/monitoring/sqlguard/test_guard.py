"""What SQL of users is let through."""

# ruff: noqa: E501  # lists that read better by kind than by length

from __future__ import annotations

import pytest

from tierwise.api.reasons import Reason
from tierwise.errors import RefusedError
from tierwise.monitoring.sqlguard.guard import guard_expression, guard_select

EXPRESSIONS = [
    "label_source = 'captcha_solved'",
    "if(ua_family IN ('Chrome','Safari','Firefox','Edge'), ua_family, 'other')",
    "dictGet('asn', 'type', asn)",
    "m['k']",
    "toString(a) || 'x'",
    "CAST(a AS Nullable(String))",
    "a::String",
    "multiIf(a > 1, 'x', 'y')",
    "a ? b : c",
    "arrayExists(x -> x = 1, arr)",
    "extract(hour from ts)",
    "a BETWEEN 1 AND 2",
    "a LIKE 'x%' AND NOT (b OR c)",
    "CASE WHEN a THEN 'x' ELSE 'y' END",
    "`we ird` = 'ü;-- /* # $$'",
    "x = 'it''s' OR x = 'a\\'b'",
    "a IN ['a', 'b']",
    "toStartOfInterval(ts, INTERVAL 5 minute)",
    "JSONExtractString(content_meta, 'x')",
    "-intDiv(a, 10) % 2 = 0",
    "1",
]
NOT_EXPRESSIONS = [
    "", "  ", "a;", "1; SELECT 2", "a SETTINGS max_threads = 1", "a FORMAT Null", "a INTO OUTFILE 'x'", "a) OR (1 = 1",
    "x IN (SELECT y FROM t)", "(SELECT 1)", "exists(SELECT 1)", "x = ALL (SELECT 1)", "(SELECT 1 SETTINGS a = 1)",
    "x IN t", "x IN (t)", "x IN system.users", "x GLOBAL IN t", "in(x, t)", "notIn(x, t)", "globalIn(x, t)", "x IN tuple(t)",
    "url('http://x')", "file('/etc/passwd')", "`file`('/etc/passwd')", '"file"(\'x\')', "file ('x')", "file/**/('x')",
    "remote('h', 't')", "executable('x')", "sleep(3)", "Sleep(3)", "dictGet(file('x'), 'a', b)", "joinGet('a', 'b', c)",
    "getSetting('x')", "currentUser()", "hostName()", "version()", "now()", "rand()", "count()", "a OVER (PARTITION BY b)",
    "{p:String}", "@@version", "$$a$$", "‘a’", "a -- x", "a # x", "a /* x */", "a\x00", "a \\ b", "'unterminated", "(((a)",
    "arrayJoin([1, 2])", "`arrayJoin` (a)", "arrayMap(x -> arrayJoin([x]), a)", "*", "COLUMNS('a')", "1 AS b", "a, b", "(a, b)", "(" * 100 + "a" + ")" * 100, "a" * 9000,
]  # fmt: skip
SELECTS = [
    "SELECT * FROM t",
    "SELECT a, b AS c FROM t WHERE x = 1",
    "SELECT * FROM db.t FINAL",
    "WITH x AS (SELECT * FROM t) SELECT * FROM x",
    "SELECT * FROM (SELECT a FROM t WHERE b)",
    "SELECT a FROM t ARRAY JOIN arr",
    "SELECT a, dictGet('x', 'y', z) AS d FROM t PREWHERE e",
    "SELECT DISTINCT a FROM t",
    "SELECT t.*, s AS score FROM t",
    "SELECT * EXCEPT (score, `la bel`), s AS score FROM t",
    "SELECT * REPLACE (s * 2 AS score) FROM t",
    "SELECT fromUnixTimestamp64Milli(ms) AS ts FROM t",
]
NOT_SELECTS = [
    "", "SELECT 1; SELECT 2", "SELECT * FROM t; DROP TABLE t", "DROP TABLE t", "INSERT INTO t SELECT 1", "SHOW TABLES",
    "EXPLAIN SELECT 1", "DESCRIBE t", "SELECT 1 UNION ALL SELECT 2", "SELECT * FROM t WHERE a SETTINGS max_threads = 1",
    "SELECT * FROM (SELECT 1 SETTINGS a = 1)", "SELECT * FROM (SELECT * FROM (SELECT * FROM t SETTINGS a = 1))",
    "SELECT (SELECT 1 FORMAT JSON) FROM t", "SELECT * FROM t FORMAT Null", "SELECT * FROM t INTO OUTFILE 'x'",
    "SELECT * FROM url('x')", "SELECT * FROM file('x')", "SELECT * FROM s3('x')", "SELECT * FROM numbers(10)",
    "SELECT * FROM merge('a', 'b')", "SELECT * FROM view(SELECT 1)", "SELECT * FROM values('a Int', 1)",
    "SELECT * FROM system.tables", "SELECT * FROM `system`.tables", "SELECT * FROM system . users",
    "SELECT * FROM INFORMATION_SCHEMA.tables", "WITH t AS (SELECT * FROM system.users) SELECT * FROM t",
    "SELECT * FROM a JOIN b ON a.x = b.x", "SELECT * FROM t, s", "SELECT * FROM t WHERE a IN (SELECT b FROM s)",
    "SELECT * FROM t WHERE a IN s", "SELECT sleep(1) FROM t", "SELECT * FROM t WHERE file('x') = 1", "SELECT * FROM t SAMPLE 0.1",
    "SELECT * FROM {t:Identifier}", "SELECT * FROM t OFFSET 3", "SELECT * REPLACE (file('x') AS a) FROM t",
    "SELECT * EXCEPT ((SELECT 1)) FROM t", "SELECT * REPLACE ((SELECT a FROM s) AS a) FROM t", "SELECT * APPLY(file) FROM t",
    "SELECT * REPLACE (a AS b) SETTINGS x = 1 FROM t", "SELECT count(t.*) FROM t", "SELECT a EXCEPT (b) FROM t",
    # a name that WITH gives elsewhere does not hide the table of that name
    "WITH s AS (SELECT * FROM s) SELECT * FROM s JOIN t ON s.a = t.a", "WITH a AS (SELECT * FROM s), s AS (SELECT 1) SELECT * FROM a JOIN t ON a.b = t.b",
    "SELECT * FROM s, t WHERE 1 IN (WITH s AS (SELECT 1) SELECT * FROM s)",
]  # fmt: skip


@pytest.mark.parametrize("sql", EXPRESSIONS)
def test_expressions_over_a_row_pass_as_they_were_written(sql):
    assert guard_expression(sql) == f"({sql})"


@pytest.mark.parametrize("sql", NOT_EXPRESSIONS)
def test_anything_else_is_refused_with_a_remedy(sql):
    with pytest.raises(RefusedError) as refusal:
        guard_expression(sql, what="spec.where")
    assert refusal.value.reason is Reason.QUERY_REFUSED
    assert refusal.value.message.startswith("spec.where: ")
    assert refusal.value.remedy


@pytest.mark.parametrize("sql", SELECTS)
def test_one_select_from_one_table_passes_as_it_was_written(sql):
    assert guard_select(sql) == sql


@pytest.mark.parametrize("sql", NOT_SELECTS)
def test_any_other_statement_is_refused_with_a_remedy(sql):
    with pytest.raises(RefusedError) as refusal:
        guard_select(sql)
    assert refusal.value.reason is Reason.QUERY_REFUSED
    assert refusal.value.remedy


def test_a_join_passes_when_both_tables_are_listed():
    sql = "SELECT * FROM a JOIN b ON a.x = b.x"
    assert guard_select(sql, tables=("a", "b")) == sql
    with pytest.raises(RefusedError, match="it reads b"):
        guard_select(sql, tables=("a",))


@pytest.mark.parametrize(
    "sql",
    [
        "WITH s AS (SELECT * FROM s) SELECT * FROM s",
        "WITH a AS (SELECT * FROM s), s AS (SELECT * FROM t) SELECT * FROM a",
        "SELECT * FROM (WITH s AS (SELECT a FROM t) SELECT * FROM s) AS x JOIN s ON x.a = s.a",
    ],
)
def test_with_does_not_hide_a_table_that_may_not_be_read(sql):
    with pytest.raises(RefusedError, match="it reads s"):
        guard_select(sql, tables=("t",))


def test_with_names_are_known_after_they_are_given():
    sql = "WITH a AS (SELECT * FROM t), b AS (SELECT * FROM a) SELECT * FROM b SEMI JOIN a ON a.x = b.x"
    assert guard_select(sql, tables=("t",)) == sql


@pytest.mark.parametrize(
    "sql", ["arrayMap(file, ['x'])", "arrayMap((file), ['x'])", "arrayFilter(`getSetting`, a)", "arraySum(sleep, a)"]
)
def test_a_function_given_by_name_is_a_call(sql):
    with pytest.raises(RefusedError, match="function by name"):
        guard_expression(sql)


@pytest.mark.parametrize("sql", ["arraySum(a)", "arrayMap(x -> x + 1, a)", "arrayMap((x, y) -> x + y, a, b)"])
def test_lambdas_and_plain_arrays_pass(sql):
    assert guard_expression(sql) == f"({sql})"
