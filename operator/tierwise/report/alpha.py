"""Formats a tier's share of the rollout's α, in the same words in every command."""

from __future__ import annotations

from tierwise.monitoring.planning.tier_plan import VERIFICATION_SHARE


def alpha_text(alpha: float, sharing: int) -> str:
    """``α = 0.045 (0.9 of 0.05)`` for one tier, ``α = 0.015 (0.9 of 0.05, over 3 tiers)`` for one of three."""
    kept = 1 - VERIFICATION_SHARE
    over = f", over {sharing} tiers" if sharing > 1 else ""
    return f"α = {alpha:.3g} ({kept:.3g} of {alpha * sharing / kept:.3g}{over})"
