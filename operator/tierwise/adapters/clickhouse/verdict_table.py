"""Rows of `ml_verdicts`: a decision with every slice and metric that it was made on, written and read back."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from typing import Any, Protocol

import pyarrow as pa

from tierwise.api.common import Margin
from tierwise.api.modelrollout import ModelRolloutSpec, ModelRolloutStatus, SliceVerdict
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.slices import parse_slice_key, slice_key
from tierwise.rollout.record.past import PastRollout, past_of
from tierwise.rollout.record.verdicts import Decided, StoredVerdict, VerdictRecord

_FULL = 1 << 60  # added to the revision of a decision of which nothing is missing: it stays, whatever is written later

_TIME = pa.timestamp("ms", tz="UTC")
_TYPES: dict[str, pa.DataType] = {
    "decided_at": _TIME,
    **dict.fromkeys(("flagged", "culprit", "powered"), pa.bool_()),
    **dict.fromkeys(("baseline_n", "baseline_bad", "candidate_n", "candidate_bad", "labels_needed"), pa.uint64()),
    **dict.fromkeys(("baseline_value", "candidate_value", "difference", "low", "high"), pa.float64()),
    **dict.fromkeys(("margin_absolute", "margin_relative", "alpha", "traffic", "phi", "sigma_pod"), pa.float64()),
    **dict.fromkeys(("log10_e", "log10_e_non_inferior", "log10_e_improved"), pa.float64()),
    "missing": pa.int32(),
    "revision": pa.uint64(),
}

READ_SQL = """
SELECT *
FROM ml_verdicts FINAL
WHERE rollout = {rollout:String} AND ({namespace:String} = '' OR namespace = {namespace:String})
ORDER BY rollout_uid, decided_at, tier, decision, dataset, metric, value
"""
"""Everything that is stored of the rollouts of a name; an empty namespace means any."""


class _Asked(Protocol):
    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> pa.Table: ...


def verdict_rows(record: VerdictRecord) -> pa.Table:
    """The decision's row, without a metric, and one per slice and metric."""
    shared = _shared(record)
    head = shared | _numbers(None) | {"object": _object(record)}
    # A number that is not finite is none: JSON has no form of it, and no reader expects it.
    rows = [head, *(shared | _numbers(each) | {"object": ""} for each in record.verdicts)]
    return pa.table(
        {name: pa.array([_finite(row[name]) for row in rows], _TYPES.get(name, pa.string())) for name in head}
    )


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _shared(record: VerdictRecord) -> dict[str, Any]:
    decided, spec = record.decided, record.spec
    return {
        "namespace": record.namespace,
        "rollout": record.rollout,
        "rollout_uid": record.uid,
        "model": spec.model,
        "baseline": spec.from_.name,
        "candidate": spec.to.name,
        "tier": decided.tier,
        "decision": decided.decision,
        "reason": decided.reason,
        "message": "" if decided.verb else decided.message,
        "decided_at": decided.at,
        "verb": decided.verb,
        "command": decided.message if decided.verb else "",
        "given_by": decided.by,
        "missing": record.missing,
        "revision": time.time_ns() // 1_000_000 + (0 if record.missing else _FULL),
    }


def _numbers(each: StoredVerdict | None) -> dict[str, Any]:
    found = each.found if each is not None else None
    low, high = found.interval if found is not None and found.interval else (None, None)
    return {
        "dataset": found.dataset if found else "",
        "metric": found.metric if found else "",
        "value": slice_key(found.slice) if found else "",
        "verdict": str(found.verdict) if found else "",
        "flagged": found.flagged if found else False,
        "culprit": each.culprit if each else False,
        "powered": each.powered if each else None,
        "baseline_n": found.baseline_n if found else 0,
        "baseline_bad": found.baseline_bad if found else None,
        "baseline_value": found.baseline_value if found else None,
        "candidate_n": found.candidate_n if found else 0,
        "candidate_bad": found.candidate_bad if found else None,
        "candidate_value": found.candidate_value if found else None,
        "difference": found.difference if found else None,
        "low": low,
        "high": high,
        "margin_absolute": each.margin.absolute if each else None,
        "margin_relative": each.margin.relative if each else None,
        "log10_e": found.log10_e if found else None,
        "log10_e_non_inferior": each.log10_e_non_inferior if each else None,
        "log10_e_improved": each.log10_e_improved if each else None,
        "alpha": each.alpha if each else None,
        "traffic": each.traffic if each else None,
        "labels_needed": found.labels_needed if found else None,
        "test": found.test if found else "",
        "control": found.control if found else "",
        "phi": found.phi if found else None,
        "sigma_pod": found.sigma_pod if found else None,
    }


def _object(record: VerdictRecord) -> str:
    """The ModelRollout as it was, and the MonitoringDatasets that it was judged on; no credential is in either."""
    return json.dumps(
        {
            "spec": record.spec.to_wire(),
            "status": record.status.to_wire(),
            "datasets": {name: spec.to_wire() for name, spec in record.datasets.items()},
        },
        separators=(",", ":"),
    )


def read_rollout(store: _Asked, rollout: str, namespace: str = "") -> PastRollout | None:
    """What is stored of the newest rollout of that name; None where nothing is.

    Raises:
        StoreError: UnknownTable where `tierwise store init` was not run.
    """
    rows = store.query(READ_SQL, {"rollout": rollout, "namespace": namespace}).to_pylist()
    heads = {_key(row): row for row in rows if not row["metric"]}
    verdicts: dict[tuple[str, ...], list[StoredVerdict]] = {}
    for row in rows:
        if row["metric"]:
            verdicts.setdefault(_key(row), []).append(_verdict(row))
    return past_of([_record(row, tuple(verdicts.get(key, ()))) for key, row in heads.items()])


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row[name] for name in ("namespace", "rollout_uid", "tier", "decision", "verb", "command"))


def _record(row: Mapping[str, Any], verdicts: tuple[StoredVerdict, ...]) -> VerdictRecord:
    stored = json.loads(row["object"])
    return VerdictRecord(
        namespace=row["namespace"],
        rollout=row["rollout"],
        uid=row["rollout_uid"],
        spec=ModelRolloutSpec.model_validate(stored["spec"]),
        status=ModelRolloutStatus.model_validate(stored["status"]),
        decided=Decided(
            tier=row["tier"],
            decision=row["decision"],
            reason=row["reason"],
            message=row["command"] if row["verb"] else row["message"],
            at=row["decided_at"],
            verb=row["verb"],
            by=row["given_by"],
        ),
        verdicts=verdicts,
        missing=row["missing"],
        datasets={
            name: MonitoringDatasetSpec.model_validate(spec) for name, spec in (stored.get("datasets") or {}).items()
        },
    )


def _verdict(row: Mapping[str, Any]) -> StoredVerdict:
    numbers = ("baseline_n", "baseline_bad", "baseline_value", "candidate_n", "candidate_bad", "candidate_value")
    others = ("dataset", "metric", "verdict", "difference", "log10_e", "labels_needed", "flagged", "test", "control")
    found = SliceVerdict(
        slice=parse_slice_key(row["value"]),
        interval=None if row["low"] is None else [row["low"], row["high"]],
        phi=row["phi"],
        sigma_pod=row["sigma_pod"],
        **{name: row[name] for name in (*numbers, *others)},
    )
    return StoredVerdict(
        found,
        Margin(absolute=row["margin_absolute"], relative=row["margin_relative"]),
        culprit=row["culprit"],
        powered=row["powered"],
        alpha=row["alpha"],
        traffic=row["traffic"],
        log10_e_non_inferior=row["log10_e_non_inferior"],
        log10_e_improved=row["log10_e_improved"],
    )
