from __future__ import annotations

from tierwise.monitoring.planning.tier_plan import alpha_of_tier
from tierwise.report.alpha import alpha_text


def test_a_tier_s_alpha_is_told_with_what_it_is_a_part_of():
    assert alpha_text(alpha_of_tier(0.05, 1), 1) == "α = 0.045 (0.9 of 0.05)"
    assert alpha_text(alpha_of_tier(0.1, 3), 3) == "α = 0.03 (0.9 of 0.1, over 3 tiers)"
