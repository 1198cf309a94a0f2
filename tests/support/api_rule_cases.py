"""What patterns and CEL rules accept and refuse: values written by hand, as no bound tells them."""

from __future__ import annotations

from typing import Any

# pattern -> (accepted, refused)
PATTERN_CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    r"^([0-9]+[hms])+$": (("90s", "10m", "1h30m"), ("1d", "4 hours", "-5m", "1.5h", "10", "1ms")),
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": (("3", "tier-3"), ("Tier-3", "tier_3", "-3", "tier-")),
    r"^[a-z][a-z0-9_]*$": (("asn_type", "a1"), ("ASN", "1a", "asn-type", "a,b")),
    r"^[a-z][-a-z0-9._@/]*$": (
        ("recall", "recall@0.9", "ratio@clicks/impressions"),
        ("Recall", "false positive rate", "9lives"),
    ),
    r"^[a-z][a-z0-9_]*(,[a-z][a-z0-9_]*){0,2}$": (("a", "a,b", "a,b,c"), ("a, b", "a,b,c,d", "A", ",a", "a,")),
    r"^[A-Za-z_][A-Za-z0-9_.]*$": (("ts", "event.time", "_x"), ("a b", "`ts`", "ts;drop", "1a")),
    r"^([A-Za-z_][A-Za-z0-9_.]*)?$": (("", "tier"), ("a b", "'x'")),
    r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$": (
        ("requests", "logs.requests"),
        ("a.b.c", "url('x')", "a b"),
    ),
}

# CEL -> (accepted, refused): values for the place where the rule stands; a dict is merged into an object's fields,
# None removes one.
RULE_CASES: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "DEPLOYMENT_NAME": (("a" * 52,), ("a" * 53,)),
    "PARAMETER_NAMES": (({"MODEL_URI": "x", "_a": ""},), ({"MODEL-URI": "x"}, {"1A": "x"}, {"A" * 129: "x"})),
    "LABEL_KEYS": (({"a" * 128: "b"},), ({"a" * 129: "b"},)),
    "DIMENSION_NAMES": (({"a" * 63: "b"},), ({"a" * 64: "b"},)),
    "EXPOSURE": (("1%", "90%", "20%", 1, 90), ("0%", "91%", "120%", "100%", "0.5%", "5", "many", "", 0, 91, -5)),
    "DURATIONS_IN_ORDER": (
        ({"minDuration": "59m", "maxDuration": "1h"}, {"minDuration": None}),
        (
            {"minDuration": "1h", "maxDuration": "60m"},
            {"maxDuration": "5m"},
            {"minDuration": "5h", "maxDuration": None},
        ),
    ),
    "ABSOLUTE_TOLERANCE": (
        (
            {"margin": {"absolute": 0.01}, "tolerance": {"absolute": 0.01}},
            {"margin": {"absolute": 0}, "tolerance": None},
        ),
        ({"margin": {"absolute": 0.01}, "tolerance": {"absolute": 0.02}},),
    ),
    "RELATIVE_TOLERANCE": (
        ({"tolerance": {"relative": 0.25}}, {"tolerance": {"absolute": 0.5}}),
        ({"tolerance": {"relative": 0.26}},),
    ),
    "INTERVAL": (("1s",), ("0s", "0h0m")),
    "CONFOUNDERS": ((["country", "asn_type"], []), (["tier"], ["country", "tier"])),
    "VERIFICATION": (("0s", "24h", "168h"), ("168h1s", "169h")),
    "RANGE": (({"min": -0.1, "max": 0}, {"min": 0, "max": 0.05}), ({"min": 0, "max": 0}, {"min": 0.1, "max": 0})),
    "WITHIN": (
        ({"change": "Within"}, {"change": "Improve", "within": None}, {"change": None, "within": None}),
        ({"change": "Within", "within": None}, {"change": "Ignore"}, {"change": None}),
    ),
    "IMMUTABLE": ((), ()),  # needs two writes: a test of its own
    "TABLE_OR_QUERY": (
        ({"table": None, "query": "SELECT 1"}, {"table": "t"}),
        ({"table": None}, {"query": "SELECT 1"}),
    ),
    "NUMBER_DOMAIN": (
        ({"target": "Number"}, {"target": "Binary", "domain": None}, {"target": None, "domain": None}),
        ({"target": "Number", "domain": None},),
    ),
    "CLASSES": (
        ({"scale": {"kind": "Classes"}, "classes": ["a", "b"]}, {"scale": {"kind": "None"}, "classes": None}),
        (
            {"scale": {"kind": "Classes"}, "classes": None},
            {"scale": {"kind": "Classes"}, "classes": []},
            {"scale": {"kind": "Linear"}, "classes": ["a"]},
        ),
    ),
    "LABEL_TABLES": (
        ({"labels": None, "columns": None, "deduplicate": None},),
        ({"columns": None, "deduplicate": None}, {"columns": {"requestId": ""}, "deduplicate": None}),
    ),
    "DEDUPLICATE": (
        ({"labels": None, "columns": {"requestId": "id"}}, {"labels": None, "columns": None, "deduplicate": False}),
        ({"labels": None, "columns": None, "deduplicate": True},),
    ),
    "LABEL_SOURCE": (
        (
            {"kind": "Table", "collection": None},
            {"kind": None, "collection": None, "table": None, "key": None},
            {"kind": "Column", "collection": None, "table": None, "key": None},
        ),
        ({"kind": "Table"}, {"collection": None}, {"table": None}, {"key": None}, {"kind": "Column"}),
    ),
    "VOLUME": (({"minRows": None}, {"minLabels": None}), ({"minRows": None, "minLabels": None},)),
    "DOMAIN": (({"min": -1, "max": 0},), ({"min": 1, "max": 1}, {"min": None, "max": -1})),
}
