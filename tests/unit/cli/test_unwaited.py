"""What is said of the slices that a promotion did not wait for, in the gate's message and below the table."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.rollout.world import NON_INFERIOR, a_result
from tierwise.api.names import Verdict
from tierwise.report.legend import WEIGHTED, of_results
from tierwise.report.unwaited import NOTHING_WAITED_FOR, unwaited_lines
from tierwise.rollout.state.wording import non_inferiority

WHOLE = a_result(slice={}, traffic=1.0)
SHOWN = a_result(powered=False, slice={"carrier": "AA"}, traffic=0.3)
OPEN = a_result(Verdict.INCONCLUSIVE, powered=False, slice={"carrier": "HA"}, traffic=0.04, smallest_detectable=0.062)
EMPTY = a_result(Verdict.INSUFFICIENT_DATA, powered=False, slice={"carrier": "VX"}, traffic=0.01)
WAITED_FOR = a_result(slice={"carrier": "DL"}, traffic=0.65)


def test_slices_not_waited_for_are_listed_with_their_traffic_and_the_smallest_change_that_shows():
    first, *listed = unwaited_lines([WHOLE, WAITED_FOR, SHOWN, EMPTY, OPEN])
    assert first.startswith("2 of 4 slices x metrics were planned as too small to be waited for")
    assert first.endswith("those by carrier hold 5.0 % of the traffic")
    assert listed == [
        "  carrier=HA accuracy: 4.0 % of the traffic, a change for the worse below about 6.20 pp could not show",
        "  carrier=VX accuracy: 1.0 % of the traffic, too few labels to see any change for the worse",
    ]


def test_a_slice_that_was_shown_is_not_complained_about_though_it_was_planned_small():
    assert unwaited_lines([WHOLE, SHOWN]) == ()


def test_that_no_slice_was_waited_for_is_a_line_of_its_own():
    assert NOTHING_WAITED_FOR in unwaited_lines([WHOLE, SHOWN, OPEN])


def test_the_whole_is_no_slice_in_the_message_of_a_promotion():
    told = non_inferiority(replace(NON_INFERIOR, results=(WHOLE, WAITED_FOR, OPEN), coverage_traffic=0.65))
    assert "in the one slice x metric large enough to be waited for, which holds 65 % or more of the traffic" in told
    assert "1 was planned as too small to be waited for" in told


def test_counts_beside_weighted_values_are_explained_where_a_dataset_has_weights():
    assert WEIGHTED in of_results([WHOLE], is_weighted=True)
    assert WEIGHTED not in of_results([WHOLE])


def test_a_promotion_on_all_traffic_alone_says_so():
    told = non_inferiority(replace(NON_INFERIOR, results=(WHOLE, OPEN), coverage_traffic=0.0))
    assert "no single slice was large enough to be waited for" in told
    assert "all 0" not in told
