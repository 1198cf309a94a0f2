"""φ and σ_pod are found where they were put in, and are absent where rows are drawn one by one."""

import math

import numpy as np
import pytest

from tierwise.stats.overdispersion import (
    PodSpread,
    narrowed,
    odds_step,
    phi_of,
    phi_split,
    pod_quantile,
    pod_spread,
    pods_apart,
    widened,
)

RNG = np.random.default_rng(5)
BLOCKS, SLICES = 48, 60


def halves(rate: np.ndarray, n: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Differences, variances and sizes of two halves whose log-odds jitter independently by `noise` in every block."""
    logit = np.log(rate / (1 - rate))

    def arm() -> np.ndarray:
        return RNG.binomial(n, 1 / (1 + np.exp(-(logit + noise * RNG.normal(size=(BLOCKS, SLICES)))))) / n

    a, b = arm(), arm()
    p = (a + b) / 2
    return a - b, p * (1 - p) * 2 / n, p * (1 - p) * n / 2


def test_rows_drawn_one_by_one_have_a_phi_near_one():
    rate = np.full(SLICES, 0.05)
    phi = phi_of(*halves(rate, 2000, 0.0))
    assert (phi >= 1).all()
    assert np.median(phi) < 1.15


@pytest.mark.parametrize("noise", [0.05, 0.2])
def test_phi_is_one_plus_the_noise_times_the_size(noise):
    rate = np.geomspace(0.01, 0.3, SLICES)
    n = 4000
    phi = phi_of(*halves(rate, n, noise))
    expected = 1 + 2 * noise**2 * rate * (1 - rate) * n / 2
    assert np.median(phi / expected) == pytest.approx(1.0, abs=0.25)
    assert (phi >= 0.6 * expected).all()


def test_rows_that_come_twice_double_phi_in_slices_of_every_size():
    rate, n = np.full(SLICES, 0.05), np.geomspace(100, 50_000, SLICES).astype(int)
    a, b = (2 * RNG.binomial(n, rate, (BLOCKS, SLICES)) / (2 * n) for _ in range(2))
    variance = np.broadcast_to(rate * (1 - rate) / n, a.shape)
    phi = phi_of(a - b, variance, variance * 0 + rate * (1 - rate) * n)
    assert phi.min() >= 1.85, "no slice's own figure, which scatters by a fifth, lowers it"
    assert np.median(phi) < 2.3


def test_a_difference_that_persists_is_not_scatter():
    difference, variance, size = halves(np.full(SLICES, 0.05), 50_000, 0.0)
    assert np.median(phi_of(difference + 0.01, variance, size)) < 1.15


def test_nothing_is_learned_from_a_few_blocks():
    difference, variance, size = halves(np.full(SLICES, 0.05), 2000, 0.5)
    assert (phi_of(difference[:7], variance[:7], size[:7]) == 1.0).all()


def test_blocks_without_rows_in_an_arm_are_left_out():
    difference, variance, size = halves(np.full(SLICES, 0.05), 2000, 0.2)
    gaps = np.full((30, SLICES), np.nan)
    with_gaps = phi_of(*(np.concatenate([x, gaps]) for x in (difference, variance, size)))
    assert with_gaps == pytest.approx(phi_of(difference, variance, size))


@pytest.mark.parametrize("sd", [0.1, 0.3])
def test_sigma_pod_is_the_spread_of_the_pods_log_odds(sd):
    found = []
    for _ in range(200):
        logit = -3 + sd * RNG.normal(size=12)
        n = np.full(12, 20_000.0)
        found.append(pod_spread([(n, RNG.binomial(20_000, 1 / (1 + np.exp(-logit))).astype(float))]).sigma)
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(sd, rel=0.1)


def test_what_differs_between_tiers_is_no_spread_of_pods_and_degrees_add_up():
    n = np.full(4, 1e6)
    tiers = [(n, n * rate * np.array([0.9, 1.1, 1.0, 1.0])) for rate in (0.01, 0.02, 0.04)]
    pooled = pod_spread(tiers)
    assert pooled.degrees == 9
    assert pooled.sigma == pytest.approx(np.log(1.1 / 0.9) / math.sqrt(2 * 3), rel=0.05)
    assert pod_spread([(np.concatenate([n, n]), np.concatenate([tiers[0][1], tiers[2][1]]))]).sigma > 0.5


def test_equal_pods_have_no_spread_and_two_pods_tell_nothing():
    n = np.full(20, 10_000.0)
    assert pod_spread([(n, n * 0.05)]) == PodSpread(0.0, 19)
    two = pod_spread([(n[:2], n[:2] * 0.05)])
    assert math.isnan(two.sigma)
    assert two.bound == math.inf
    assert pod_spread([(n[:2], n[:2] * 0.05)] * 2).degrees == 2  # two tiers of two pods do


def test_few_pods_are_widened_by_students_quantile():
    assert [round(pod_quantile(degrees), 1) for degrees in (2, 5, 10, 100_000)] == [19.2, 5.5, 4.0, 3.0]
    assert PodSpread(0.1, 5).bound * pods_apart(3, 6) == pytest.approx(0.1 * 5.507 * math.sqrt(1 / 3 + 1 / 6), rel=1e-3)


def test_split_scatters_as_many_times_more_as_a_connection_has_requests():
    connections = RNG.binomial(500, 0.3, size=4000)
    assert phi_split(20.0 * connections, np.full(4000, 20.0 * 500)) == pytest.approx(20, rel=0.1)
    assert phi_split(RNG.binomial(10_000, 0.3, size=4000).astype(float), np.full(4000, 1e4)) == pytest.approx(
        1, abs=0.1
    )


def test_the_null_is_widened_and_the_margin_narrowed_in_its_own_kind():
    rate, bias = np.array([0.1, 0.1, 0.1]), np.full(3, 0.2)
    ratio, delta = widened(np.array([1.125, 1.0, 1.0]), np.array([0.0, 0.01, 0.0]), rate, bias)
    step = 0.11 * math.exp(0.2) / (1 - 0.11 + 0.11 * math.exp(0.2)) - 0.11
    assert ratio == pytest.approx([1.125 * math.exp(0.2), 1.0, math.exp(0.2)])
    assert delta == pytest.approx([0.0, 0.01 + step, 0.0])
    ratio, delta = narrowed(np.array([1.125, 1.0]), np.array([0.0, 0.03]), rate[:2], bias[:2])
    step = 0.13 * math.exp(-0.2) / (1 - 0.13 + 0.13 * math.exp(-0.2)) - 0.13
    assert ratio == pytest.approx([1.125 * math.exp(-0.2), 1.0])
    assert delta == pytest.approx([0.0, 0.03 + step])


@pytest.mark.parametrize("kind", ["relative", "absolute"])
def test_pods_at_their_bound_carry_no_version_across_the_null(kind):
    """The candidate's pods are worse, or better, by the whole bias, on a version exactly at the bound."""
    rate, bias = np.array([0.001, 0.1, 0.5, 0.9]), np.full(4, 0.4)
    ratio = np.full(4, 1.1 if kind == "relative" else 1.0)
    delta = np.full(4, 0.0 if kind == "relative" else 0.02)
    at_bound = ratio * rate + delta
    wide, narrow = widened(ratio, delta, rate, bias), narrowed(ratio, delta, rate, bias)
    assert (at_bound + odds_step(at_bound, bias) <= wide[0] * rate + wide[1] + 1e-12).all()
    assert (at_bound + odds_step(at_bound, -bias) >= narrow[0] * rate + narrow[1] - 1e-12).all()
