"""Margins are in the metric's own unit: a share is at most 1, a value may be anything."""

import pytest

from tierwise.api.common import Margin
from tierwise.errors import PlanError
from tierwise.metrics import registry
from tierwise.monitoring.planning.required_reads import require_margin


def test_a_value_may_differ_by_more_than_one():
    require_margin("flights", registry.get("mae"), Margin(absolute=2.5))


def test_a_share_may_not():
    with pytest.raises(PlanError, match=r"the margin of 'accuracy' is 2.5, and it is a share of rows; give at most 1"):
        require_margin("flights", registry.get("accuracy"), Margin(absolute=2.5))
