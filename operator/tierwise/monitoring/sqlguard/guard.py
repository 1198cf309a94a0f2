"""The SQL guard: it checks the SQL that people write in `where`, `expression` and `query`. Pure.

Two checks must both pass: a strict scanner (no comment, no second statement, no parameter, every function that is
called is on a list) and sqlglot's tree (exactly one expression, or one SELECT from the allowed tables). SQL that passes
is sent as it was written. This is the second defence; the first is the store's read-only user.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from tierwise.errors import RefusedError
from tierwise.monitoring.sqlguard.functions import FUNCTIONS, HIGHER_ORDER, KEYWORDS
from tierwise.monitoring.sqlguard.refusals import query_refused
from tierwise.monitoring.sqlguard.row_preservation import refuse_other_rows

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<text>'(?:[^'\\]|\\.|'')*')
    |(?P<quoted>"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)
    |(?P<comment>--|/\*|\#)
    |(?P<number>[0-9][0-9A-Za-z_.]*)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>[-+*/%=<>!(),.\[\]:?|])""",
    re.VERBOSE | re.DOTALL,
)

# Nodes that are neither functions (the scanner checks their names) nor operators.
_VALUES = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Tuple, exp.Bracket, exp.Lambda,
    exp.Interval, exp.Var, exp.DataType, exp.DataTypeParam, exp.Func, exp.Binary, exp.Unary, exp.Predicate, exp.Slice,
    exp.JSONPath, exp.JSONPathPart, exp.CombinedAggFunc, exp.In, exp.Between, exp.IntervalSpan,
)  # fmt: skip
_SELECT_PARTS = (
    exp.Select, exp.From, exp.Table, exp.Where, exp.PreWhere, exp.Subquery, exp.Alias, exp.TableAlias, exp.Star,
    exp.Final, exp.With, exp.CTE, exp.Distinct, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Join,
)  # fmt: skip
# The scanner refuses every other spelling.
_MULTIPLIES = re.compile(r"\barrayJoin\b[`\"]?\s*\(")
_HIDDEN_SCHEMAS = {"system", "information_schema", "_temporary_and_external_tables"}
_MAX_LENGTH = 8192
_MAX_DEPTH = 64


def expression_columns(sql: str, *, what: str = "the expression") -> frozenset[str]:
    """Names of the columns that an expression uses; raises as `guard_expression`."""
    return frozenset(node.name for node in _parse(sql, what).walk() if isinstance(node, exp.Column))


@lru_cache(maxsize=1024)
def guard_expression(sql: str, *, what: str = "the expression") -> str:
    """Check an expression and return it in parentheses.

    Raises:
        RefusedError: QueryRefused, unless it is one scalar expression over columns and allowed functions.
    """
    tree = _parse(sql, what)
    for node in tree.walk():
        if isinstance(node, exp.Query | exp.Subquery | exp.From):
            raise query_refused(
                f"{what}: it has a subquery", "use columns of the dataset's table, or dictGet for a look-up"
            )
        _refuse_unless(node, _VALUES, what)
    if _MULTIPLIES.search(sql):
        raise query_refused(
            f"{what}: arrayJoin makes several rows of one, each of which would count as evidence",
            "give one value a row; ARRAY JOIN in spec.query unfolds arrays that hold a prediction each",
        )
    if isinstance(tree, exp.Tuple):
        raise query_refused(f"{what}: it is a list of expressions", "write one expression")
    return f"({sql.strip()})"


@lru_cache(maxsize=256)
def guard_select(sql: str, *, tables: Sequence[str] | None = None, what: str = "spec.query") -> str:
    """Check a SELECT and return it as it was written.

    Args:
        sql: The text.
        tables: The tables that it may read (`table` or `database.table`). None: any single table.
        what: The field, for the message.

    Raises:
        RefusedError: QueryRefused, unless it is exactly one SELECT over allowed tables and functions.
    """
    first = sql.split(None, 1)[0].upper() if sql.strip() else ""
    if first and first not in ("SELECT", "WITH"):
        raise query_refused(f"{what}: it begins with {first[:20]!r}", "write one SELECT")
    tree = _parse(sql, what)
    if not isinstance(tree, exp.Select):
        kind = type(tree).__name__.upper()
        raise query_refused(f"{what}: it is {kind}, not one SELECT", "write one SELECT")
    refuse_other_rows(tree, what)
    read: set[str] = set()
    for node in tree.walk():
        _refuse_unless(node, (*_VALUES, *_SELECT_PARTS), what)
        if isinstance(node, exp.Select | exp.Subquery):
            _refuse_clauses(node, what)
        if isinstance(node, exp.Table):
            read.update(_table_name(node, what))
    _refuse_tables(read, tables, what)
    return sql.strip()


def _parse(sql: str, what: str) -> exp.Expr:
    _scan(sql, what)
    try:
        trees = sqlglot.parse(sql, read="clickhouse")
    except (SqlglotError, RecursionError) as error:
        first = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()[0]
        raise query_refused(
            f"{what}: it cannot be read as SQL ({first})", "fix it; it must be one expression or SELECT"
        ) from None
    if len(trees) != 1 or trees[0] is None:
        raise query_refused(f"{what}: it is not exactly one statement", "write one expression or one SELECT")
    tree = trees[0]
    if not isinstance(tree, exp.Expr):
        raise query_refused(f"{what}: it cannot be read as SQL", "write one expression or one SELECT")
    return tree


@dataclass(slots=True)
class _Open:
    """An open parenthesis: which function it calls, and whether it contains a lambda."""

    function: str
    has_lambda: bool = False


def _scan(sql: str, what: str) -> None:
    """Refuse what a tree does not show reliably: comments, statements, parameters, odd characters, called names."""
    if not sql.strip():
        raise query_refused(f"{what}: it is empty", "write an SQL expression")
    if len(sql) > _MAX_LENGTH:
        raise query_refused(f"{what}: it has {len(sql)} characters", f"write at most {_MAX_LENGTH}")
    at, word, before, last = 0, "", "", ""
    open_: list[_Open] = []
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        if match is None:
            raise query_refused(
                f"{what}: {sql[at]!r} at character {at + 1} is not allowed", "remove it; values need quotes"
            )
        kind, text = match.lastgroup, match.group()
        if kind == "comment":
            raise query_refused(f"{what}: it has a comment at character {at + 1}", "remove the comment")
        if kind == "sign" and text in "([":
            # SELECT * EXCEPT (a) and * REPLACE (b AS c) choose columns
            chooses = before == "*" and word.upper() in ("EXCEPT", "REPLACE")
            if text == "(" and word and word not in FUNCTIONS and word.lower() not in KEYWORDS and not chooses:
                raise _function_refused(word, what)
            open_.append(_Open(word if text == "(" else ""))
            if len(open_) > _MAX_DEPTH:
                raise query_refused(f"{what}: it is nested more than {_MAX_DEPTH} deep", "simplify it")
        elif kind == "sign" and text in ")]":
            if open_:
                open_.pop()
        elif open_ and sql.startswith("->", at):
            open_[-1].has_lambda = True
        elif open_ and text == "," and open_[-1].function in HIGHER_ORDER and not open_[-1].has_lambda:
            # arrayMap(file, ['x']) calls the function file
            raise query_refused(
                f"{what}: {open_[-1].function} is given a function by name", "write a lambda such as x -> upper(x)"
            )
        if kind == "quoted":
            # `file`('x') calls the function file: a quoted name before a parenthesis is a call, too
            word, before = text[1:-1], last
        elif kind != "space":
            word, before = (text, last) if kind == "word" else ("", "")
        last = last if kind == "space" else text
        at = match.end()


def _function_refused(name: str, what: str) -> RefusedError:
    same = next((known for known in FUNCTIONS if known.lower() == name.lower()), None)
    remedy = f"write {same}" if same else "use a plain function of the row's columns"
    return query_refused(f"{what}: the function {name!r} is not allowed", remedy)


def _refuse_unless(node: exp.Expr, allowed: tuple[type, ...], what: str) -> None:
    if isinstance(node, exp.Window | exp.Placeholder | exp.Parameter | exp.Command) or not isinstance(node, allowed):
        raise query_refused(
            f"{what}: {type(node).__name__.upper()} is not allowed", "use columns, operators and plain functions"
        )
    if isinstance(node, exp.In):
        # `x IN name` and `x IN (name)` read a table of that name; to compare with a column, use =
        listed = [*node.expressions, *(node.args[k] for k in ("field", "unnest") if node.args.get(k) is not None)]
        if any(item.find(exp.Column, exp.Table, exp.Unnest) or isinstance(item, exp.Identifier) for item in listed):
            raise query_refused(f"{what}: IN reads a table", "list the values: IN ('a', 'b')")
    if isinstance(node, exp.Star) and not _is_list_of_columns(node):
        raise query_refused(f"{what}: * is not an expression", "name a column")


def _is_list_of_columns(star: exp.Star) -> bool:
    """Whether it is ``*`` or ``t.*`` of a SELECT, where EXCEPT lists only names."""
    left_out = star.args.get("except_") or star.args.get("except") or ()
    if any(not isinstance(name, exp.Column | exp.Identifier) for name in left_out):
        return False
    parent = star.parent.parent if isinstance(star.parent, exp.Column) else star.parent
    return isinstance(parent, exp.Select)


def _refuse_clauses(node: exp.Expr, what: str) -> None:
    for clause in ("settings", "format", "into", "locks", "connect", "sample", "offset", "laterals", "qualify"):
        if node.args.get(clause):
            raise query_refused(f"{what}: it has {clause.upper()}", "remove the clause")


def _names_in_sight(table: exp.Table) -> set[str]:
    """The names of WITH that ClickHouse knows at this place: those of earlier subselects only."""
    found: set[str] = set()
    below: exp.Expr = table
    node = table.parent
    while node is not None:
        if isinstance(node, exp.With):
            before = node.expressions[: next(i for i, cte in enumerate(node.expressions) if cte is below)]
            found.update(cte.alias for cte in before)
        elif isinstance(node, exp.Select) and (given := node.args.get("with_")) is not None and given is not below:
            found.update(cte.alias for cte in given.expressions)
        below, node = node, node.parent
    return found


def _table_name(table: exp.Table, what: str) -> tuple[str, ...]:
    name, database = table.args.get("this"), table.args.get("db")
    if table.args.get("sample") is not None:
        raise query_refused(
            f"{what}: SAMPLE reads a part of the log only", "read all of it; spec.where chooses rows that are labelled"
        )
    if not isinstance(name, exp.Identifier) or table.args.get("catalog") is not None:
        raise query_refused(f"{what}: it reads a table function", "read the prediction log's own table")
    if database is None and name.name in _names_in_sight(table):
        return ()
    schema = database.name if database is not None else ""
    if schema.lower() in _HIDDEN_SCHEMAS:
        raise query_refused(f"{what}: it reads {schema}.{name.name}", "read the prediction log's own table")
    return (f"{schema}.{name.name}" if schema else name.name,)


def _refuse_tables(read: set[str], tables: Sequence[str] | None, what: str) -> None:
    if tables is None:
        if len(read) > 1:
            raise query_refused(
                f"{what}: it reads {len(read)} tables ({', '.join(sorted(read))})",
                "read one table; use dictGet for look-ups",
            )
        return
    for name in sorted(read - set(tables)):
        raise query_refused(f"{what}: it reads {name}", f"read only {', '.join(tables)}")
