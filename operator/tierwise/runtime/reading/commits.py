"""Reads which commits the pods of a delivered tier log under the candidate's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from tierwise.api.common import duration_seconds
from tierwise.api.modelrollout import TierStatus
from tierwise.api.monitoringdataset import Dimension
from tierwise.api.slices import parse_slice_key
from tierwise.errors import ReasonedError
from tierwise.monitoring.counts.model import CANDIDATE, Block, Reads
from tierwise.rollout.state.observation import DeploymentView, RolloutView
from tierwise.runtime.ports import Fleet
from tierwise.runtime.reading.datasets import StoreOf, resolve, scope_of

_DIMENSION = "logged_commit"
_WINDOW_SECONDS = 60.0
_INTERVALS = 5


def read_commits(
    deployment: DeploymentView, rollout: RolloutView, tier: TierStatus, fleet: Fleet, stores: StoreOf, now: datetime
) -> Mapping[str, int]:
    """Rows by commit in the last minute, or in the last five intervals if these are longer.

    No row from before the delivery is counted. If several datasets have commits, the largest number counts.

    Empty if no dataset has a column of commits, the version names no commit, nothing was logged yet, or the log cannot
    be read. Then the readiness of the pods alone decides; the log can only contradict it.
    """
    spec = rollout.spec
    if spec.to.commit is None or tier.delivering_since is None:
        return {}
    interval = duration_seconds(spec.strategy.analysis.interval)
    window = timedelta(seconds=max(_WINDOW_SECONDS, _INTERVALS * interval))
    start = max(tier.delivering_since, now - window)
    found: dict[str, int] = {}
    try:
        sources = resolve(deployment.namespace, spec.strategy.analysis, fleet, stores)
        for source in sources.values():
            column = source.dataset.spec.columns.commit
            if not column or start >= now:
                continue
            dimension = Dimension(name=_DIMENSION, expression=f"toString({column})")
            dataset = replace(
                source.dataset,
                spec=source.dataset.spec.model_copy(update={"dimensions": [dimension]}),
                groupings=((_DIMENSION,),),
                known=(),
                reads=Reads(),
            )
            cells = source.store.read_cells(dataset, scope_of(spec, dataset, (tier.name,)), (Block(start, now),))
            for index, key in enumerate(cells.slices):
                rows = int(cells.counts[:, index, CANDIDATE].sum())
                if key and rows:
                    commit = parse_slice_key(key)[_DIMENSION]
                    found[commit] = max(found.get(commit, 0), rows)
    except ReasonedError:
        return {}
    return found
