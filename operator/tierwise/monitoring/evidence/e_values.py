"""Formats e-values for people, the same in messages, tables and reports. Pure."""

from __future__ import annotations

import math


def e_value_of(log_e: float) -> str:
    """As `e_value_text`, of a natural logarithm."""
    return e_value_text(log_e / math.log(10))


def e_value_text(log10_e: float | None) -> str:
    """``5.61`` → ``4.1e5``; below 1000 as a plain number, such as ``980`` or ``0.015``; small ones ``1.2e-7``."""
    if log10_e is None:
        return "–"
    if -4 <= log10_e < 3:
        # Two digits, without the exponent that Python writes from 100 on. 995 and more is written as 1.0e3.
        rounded = float(f"{10**log10_e:.2g}")
        if rounded < 1000:
            return f"{rounded:.6g}"
    exponent = math.floor(log10_e)
    if round(10 ** (log10_e - exponent), 1) >= 10:
        exponent += 1
    return f"{10 ** (log10_e - exponent):.1f}e{exponent}"
