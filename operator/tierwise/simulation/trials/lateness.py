"""Warns of a drop that was seen too late for the policy, which the shares of a simulation do not show."""

from __future__ import annotations

import math

from tierwise.monitoring.planning.drop import Drop
from tierwise.plurals import agreeing, plural
from tierwise.simulation.policy import Policy, TierPolicy
from tierwise.simulation.trials.summary import Detected


def warnings_of(policy: Policy, drop: Drop | None, detected: Detected | None) -> tuple[str, ...]:
    """The warnings as sentences; empty if nothing needs to change. `detected` is that of Tierwise."""
    if drop is None or detected is None:
        return ()
    longest = max(tier.max_duration for tier in policy.tiers)
    if drop.onset_seconds >= longest:
        told = f"the drop begins {_duration(drop.onset_seconds)} into a tier, and no tier lasts longer than"
        return (f"{told} {_duration(longest)}: it never comes; set an earlier onset",)
    if detected.before_promotion is None:
        return ()
    late = detected.share.hits - detected.before_promotion.hits
    if not late:
        return ()
    rollouts = plural(detected.share.runs, "rollout")
    found = f"{late} of {rollouts} with the drop {agreeing(late, 'was', 'were')} promoted before Tierwise saw it"
    median = detected.median_seconds or 0.0
    early = [tier for tier in policy.tiers if tier.min_duration < drop.onset_seconds]
    if early:
        soaks = ", ".join(_soak(tier) for tier in early)
        found += f": it begins {_duration(drop.onset_seconds)} into a tier, and minDuration is shorter ({soaks})"
    if all(tier.min_duration >= median for tier in policy.tiers):
        return (f"{found}; set a longer minDuration",)
    return (f"{found}; set minDuration to {_duration(median)} or more, when half of the runs had seen it",)


def _soak(tier: TierPolicy) -> str:
    return f"{tier.name + ': ' if tier.name else ''}{_duration(tier.min_duration)}"


def _duration(seconds: float) -> str:
    """A duration as a manifest has it and no shorter: whole hours above two, whole minutes, seconds below two."""
    if seconds > 7200:
        return f"{math.ceil(seconds / 3600)}h"
    return f"{math.ceil(seconds / 60)}m" if seconds >= 120 else f"{math.ceil(seconds)}s"
