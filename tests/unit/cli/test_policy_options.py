from __future__ import annotations

import click
import pytest

from tierwise.cli.options.policy_options import Drops
from tierwise.cli.options.stream_options import Rates, Rows, Values
from tierwise.monitoring.planning.drop import Drop


@pytest.mark.parametrize(
    ("text", "drop"),
    [
        ("carrier=VX accuracy 0.9->0.8", Drop({"carrier": "VX"}, "accuracy", 0.9, 0.8)),
        ("carrier=VX accuracy 90% → 80%", Drop({"carrier": "VX"}, "accuracy", 0.9, 0.8)),
        (
            "carrier=VX, origin=New York recall ->0.5",
            Drop({"carrier": "VX", "origin": "New York"}, "recall", None, 0.5),
        ),
        ("carrier=VX auc 0.9->0.85", Drop({"carrier": "VX"}, "auc", 0.9, 0.85)),
        ("mae 2->3.5", Drop({}, "mae", 2.0, 3.5)),
        ("false-positive-rate 0.5%->3%", Drop({}, "false-positive-rate", 0.005, 0.03)),
    ],
)
def test_a_drop_reads_as_it_is_said(text, drop):
    assert Drops().convert(text, None, None) == drop


@pytest.mark.parametrize(
    "text", ["accuracy", "accuracy 0.9->1.8", "carrier accuracy 0.9->0.8", "accurracy 0.9->0.8", "score-shift 0.9->0.8"]
)
def test_what_is_no_drop_is_told(text):
    with pytest.raises(click.BadParameter):
        Drops().convert(text, None, None)


def test_rates_rows_and_values():
    assert Rates().convert("1%..0.08", None, None) == (0.01, 0.08)
    assert Rows().convert("tier-3=500,tier-2=2500", None, None) == {"tier-3": 500.0, "tier-2": 2500.0}
    assert Values().convert("carrier=16, origin=3", None, None) == {"carrier": 16, "origin": 3}
    for kind, text in ((Rates(), "0.1..0.2..0.3"), (Rows(), "-5"), (Values(), "a=1000,b=1000")):
        with pytest.raises(click.BadParameter):
            kind.convert(text, None, None)
