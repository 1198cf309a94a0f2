"""Converts a tier's plan to its form in the status, and back to the same bits."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np

from tierwise.api.frozen import Frozen, FrozenDataset
from tierwise.api.modeldeployment import DatasetAnalysis
from tierwise.monitoring.counts.model import Dataset
from tierwise.monitoring.planning.tier_plan import DatasetPlan, TierPlan, metric_plan


def pinned_hash(dataset: Dataset) -> str:
    """The hash of a dataset that a tier pins: it changes if the dataset is edited while the tier is judged.

    Beside what `query.log.config.config_hash` has, it has the store, because rows of another store are other evidence.
    `freshness` and `volume` are left out: they decide whether rows come, not how they are counted.
    """
    counted = {key: value for key, value in dataset.spec.to_wire().items() if key not in ("freshness", "volume")}
    text = json.dumps([counted, dataset.groupings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def freeze(plan: TierPlan, at: datetime) -> Frozen:
    """The plan in its form for the status. `thaw` gives the same plan, bit by bit."""
    bits = np.concatenate([d.powered.ravel() for d in plan.datasets]) if plan.datasets else np.zeros(0, dtype=np.bool_)
    sigmas = [s for d in plan.datasets for s in d.sigma_pod.tolist() if math.isfinite(s)]
    return Frozen(
        at=at,
        alpha=plan.alpha,
        hypotheses=plan.hypotheses,
        phi=max((float(d.phi.max(initial=1.0)) for d in plan.datasets), default=1.0),
        sigma_pod=max(sigmas, default=0.0),
        copies=plan.copies,
        copy_seconds=plan.copy_seconds,
        first_block_start=plan.first_block_start,
        datasets=[_frozen_dataset(d) for d in plan.datasets],
        powered=np.packbits(bits).tobytes().hex(),
        prior_rates={
            f"{d.dataset.name}/{metric.name}": d.prior_rates[i].tolist()
            for d in plan.datasets
            for i, metric in enumerate(d.metrics)
        },
    )


def thaw(frozen: Frozen, analysis: Sequence[DatasetAnalysis], datasets: Mapping[str, Dataset]) -> TierPlan:
    """The plan that `freeze` wrote, also if the log or the datasets have changed since."""
    by_name = {item.name: item for item in analysis}
    sizes = [len(by_name[f.name].metrics) * len(f.slices) for f in frozen.datasets]
    raw = np.frombuffer(bytes.fromhex(frozen.powered), dtype=np.uint8)
    bits = np.unpackbits(raw, count=sum(sizes)).astype(np.bool_)
    plans = []
    offset = 0
    for f, size in zip(frozen.datasets, sizes, strict=True):
        item = by_name[f.name]
        shape = (len(item.metrics), len(f.slices))
        every = np.ones(len(f.slices) + 1)
        plans.append(
            DatasetPlan(
                dataset=datasets[f.name],
                metrics=tuple(metric_plan(item.name, m) for m in item.metrics),
                expect=tuple(item.expect),
                slices=tuple(f.slices),
                reserved_slots=f.reserved_slots,
                prior_rates=np.array([frozen.prior_rates[f"{f.name}/{m.name}"] for m in item.metrics]).reshape(shape),
                powered=bits[offset : offset + size].reshape(shape),
                phi=np.stack([np.array(f.phi.get(m.name, every)) for m in item.metrics]),
                apart=np.stack([np.array(f.apart.get(m.name, 0 * every)) for m in item.metrics]),
                sigma_pod=np.array([f.sigma_pod.get(m.name, math.nan) for m in item.metrics]),
                phi_split=f.phi_split,
                presence_tolerance=f.presence_tolerance,
                pods=f.pods,
                pod_degrees=np.array(
                    [f.pod_degrees.get(m.name, max(f.pods - 1, 0)) for m in item.metrics], dtype=np.int64
                ),
                points=tuple(tuple(f.points.get(m.name, ())) for m in item.metrics),
                dimensions=tuple(f.dimensions),
            )
        )
        offset += size
    return TierPlan(
        alpha=frozen.alpha,
        datasets=tuple(plans),
        copies=frozen.copies,
        copy_seconds=frozen.copy_seconds,
        first_block_start=frozen.first_block_start,
    )


def _frozen_dataset(plan: DatasetPlan) -> FrozenDataset:
    names = [metric.name for metric in plan.metrics]
    return FrozenDataset(
        name=plan.dataset.name,
        config_hash=pinned_hash(plan.dataset),
        slices=list(plan.slices),
        reserved_slots=plan.reserved_slots,
        phi={name: row.tolist() for name, row in zip(names, plan.phi, strict=True) if (row != 1.0).any()},
        apart={name: row.tolist() for name, row in zip(names, plan.apart, strict=True) if row.any()},
        phi_split=plan.phi_split,
        sigma_pod={name: s for name, s in zip(names, plan.sigma_pod.tolist(), strict=True) if math.isfinite(s)},
        presence_tolerance=plan.presence_tolerance,
        pods=plan.pods,
        pod_degrees=dict(zip(names, plan.pod_degrees.tolist(), strict=True)) if plan.pods else {},
        points={name: list(at) for name, at in zip(names, plan.points, strict=True) if at},
        dimensions=list(plan.dimensions),
    )
