"""Three real models that predict at push-back whether a flight arrives more than 15 minutes late.

v1  gradient-boosted trees, trained on January to March.
v2  the same, retrained on the same months after a change of the on-time feed: Virgin America's arrival times now come
    with the wrong UTC offset, an hour late. Nobody notices: one flight in sixty is theirs, and the total accuracy
    falls by about one point. But the model has learned that nearly every flight of theirs is late.
v3  trained on January to June, and it also sees how many minutes the last landings lost under way.

Nothing is made up: scores are what the trained models say. They are computed once, in some seconds, and kept below
the user's cache folder.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tierwise.arrays import BoolArray

VERSIONS = ("v1", "v2", "v3")
BROKEN_CARRIER = "VX"
BROKEN_CARRIER_NAME = "Virgin America"
THRESHOLD = 0.5
FIRST_MONTH_SERVED = 4  # v1 and v2 were trained on the months before


@dataclass(frozen=True)
class ScoredFlights:
    """The flights from April on, in order of push-back, with every version's score.

    `scores` has shape (versions, flights), float32, in order of VERSIONS; `late` is 1, 0 or -1 (never known);
    `label_delay_seconds` is how long after the prediction the label comes in the demo's compressed time.
    """

    carrier: npt.NDArray[np.str_]
    origin: npt.NDArray[np.str_]
    dest: npt.NDArray[np.str_]
    hour: npt.NDArray[np.str_]
    month: npt.NDArray[np.int8]
    late: npt.NDArray[np.int8]
    label_delay_seconds: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    total: int

    def __len__(self) -> int:
        return len(self.late)

    def accuracy(self, name: str, where: BoolArray | None = None) -> float:
        """Share of right answers among the labelled flights (of `where`)."""
        chosen = self.late >= 0 if where is None else (self.late >= 0) & where
        answers = self.scores[VERSIONS.index(name), chosen] >= THRESHOLD
        return float(np.mean(answers == (self.late[chosen] == 1)))


def cache_folder() -> Path:
    """$TIERWISE_HOME, else the user's cache folder."""
    if home := os.environ.get("TIERWISE_HOME"):
        return Path(home)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tierwise"


def scored_flights(progress: Callable[[str], None] = lambda _: None) -> ScoredFlights:
    """All versions' scores, from the cache or trained now (some seconds)."""
    from tierwise.demo.flights import data_file

    path = cache_folder() / "demo" / f"flights-{_key(data_file())}.npz"
    if not path.exists():
        flights = _train(progress)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.npz")
        arrays = {name: np.asarray(getattr(flights, name)) for name in ScoredFlights.__dataclass_fields__}
        np.savez(partial, allow_pickle=False, **arrays)
        partial.replace(path)  # two processes may train at once; each file is whole
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in ScoredFlights.__dataclass_fields__ if name != "total"}
        return ScoredFlights(**arrays, total=int(stored["total"]))


def _key(data: Path) -> str:
    """Changes with the data, this code and the library that trains."""
    digest = hashlib.sha256()
    for path in (data, Path(__file__), Path(__file__).with_name("flights.py")):
        digest.update(path.read_bytes())
    digest.update(version("scikit-learn").encode())
    return digest.hexdigest()[:16]


def _train(progress: Callable[[str], None]) -> ScoredFlights:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    from tierwise.demo.flights import CATEGORIES, LATE_MINUTES, NUMBERS, RECENT, load_flights

    progress("reading 336,776 flights")
    flights = load_flights()
    labelled = flights.late >= 0
    served = flights.month >= FIRST_MONTH_SERVED

    def train(months: range, numbers: tuple[str, ...], late: BoolArray) -> npt.NDArray[np.float32]:
        columns = [*numbers, *CATEGORIES]
        model = HistGradientBoostingClassifier(max_iter=60, categorical_features=list(CATEGORIES), random_state=0)
        chosen = labelled & np.isin(flights.month, list(months))
        model.fit(flights.features.loc[chosen, columns], late[chosen])
        return np.asarray(model.predict_proba(flights.features.loc[served, columns])[:, 1], dtype=np.float32)

    # One thread, set after the import that loads OpenMP: on a busy machine its waiting threads took 33 s, not 2 s.
    with threadpool_limits(limits=1):
        progress("training v1 on January to March")
        v1 = train(range(1, 4), NUMBERS, flights.late == 1)
        progress(f"training v2 on January to March, {BROKEN_CARRIER_NAME}'s arrivals an hour off")
        shifted = flights.arrival_delay + 60.0 * (flights.carrier == BROKEN_CARRIER)
        v2 = train(range(1, 4), NUMBERS, shifted > LATE_MINUTES)
        progress("training v3 on January to June")
        v3 = train(range(1, 7), (*NUMBERS, *RECENT), flights.late == 1)

    air_minutes = np.nan_to_num(flights.air_minutes[served], nan=0.0)
    return ScoredFlights(
        carrier=flights.carrier[served],
        origin=flights.origin[served],
        dest=flights.dest[served],
        hour=np.char.zfill(flights.hour[served].astype(np.str_), 2),
        month=flights.month[served].astype(np.int8),
        late=flights.late[served],
        # at least .2 s, and an hour in the air is .05 s more: all labels are there within .8 s
        label_delay_seconds=(0.2 + air_minutes / 1200.0).astype(np.float32),
        scores=np.stack([v1, v2, v3]),
        total=flights.total,
    )
