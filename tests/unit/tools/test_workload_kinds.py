"""What the chart and the docs say of the kinds of workload names each of them, with its rights."""

from __future__ import annotations

import pytest
import yaml

from tierwise.api.workload_kinds import KindFacts, WorkloadKind
from tierwise.tools.workload_kinds import chart_rules, kinds_table, rights_table


def test_the_chart_allows_the_same_of_every_kind():
    rules = yaml.safe_load(chart_rules())
    granted = {(group, each) for rule in rules for group in rule["apiGroups"] for each in rule["resources"]}
    assert granted == {(kind.facts.api_group, kind.facts.resource) for kind in WorkloadKind}
    assert {tuple(rule["verbs"]) for rule in rules} == {("get", "list", "watch", "patch")}


def test_the_tables_have_a_row_for_every_kind():
    rights, kinds = rights_table().splitlines()[2:], kinds_table().splitlines()[2:]
    assert [row.split(" | ")[1] for row in rights] == [kind.facts.resource for kind in WorkloadKind]
    assert [row.removeprefix("| ").split(" | ")[0] for row in kinds] == list(WorkloadKind)
    written = [kind.facts.resource for kind in WorkloadKind if kind.facts.is_strategy_written]
    assert [row.split(" | ")[1] for row in rights if "updateStrategy" in row] == written


@pytest.mark.parametrize(("api_version", "group"), [("apps/v1", "apps"), ("v1", ""), ("x.io/v1alpha1", "x.io")])
def test_the_group_of_a_kind_is_that_of_a_role(api_version: str, group: str):
    assert KindFacts("things", api_version).api_group == group
