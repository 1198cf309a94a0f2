"""SQL that reads each column of a file as the type of its role: times, numbers and labels. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.monitoring.query.log.quoting import quote


def readings_of(columns: Mapping[str, str], spec: MonitoringDatasetSpec) -> dict[str, str]:
    """SQL for columns of text that mean a time or a number, and for columns of numbers that mean a time."""
    names, kind = spec.columns, label_kind(spec)
    sources = [] if spec.labels is None else [one for one in spec.labels.sources if one.kind == "Column"]
    found: dict[str, str] = {}
    for name in (names.time, names.labelled_at, *(source.labelled_at for source in sources)):
        found |= {} if name is None else time_reading(columns, name)
    for name in (None if kind == "Classes" else names.score, names.latency, names.weight):
        if name is not None and "String" in columns.get(name, ""):
            found[name] = _number(_trimmed(name))
    for name in (names.label, *(source.column for source in sources)):
        found |= label_reading(columns, name, kind)
    return found


def label_kind(spec: MonitoringDatasetSpec) -> str:
    """The kind of the dataset's labels."""
    return "Classes" if spec.scale.kind == "Classes" else spec.target


def time_reading(columns: Mapping[str, str], name: str) -> dict[str, str]:
    """The SQL of a column of times, by its name; empty if the column already has times."""
    kind = columns.get(name, "")
    if any(number in kind for number in ("Int", "Float")):
        return {name: _epoch(quote(name))}
    return {name: _time(_trimmed(name))} if "String" in kind else {}


def label_reading(columns: Mapping[str, str], name: str, kind: str) -> dict[str, str]:
    """The SQL of a column of labels of a `label_kind`, by its name; empty if the column is not text."""
    if "String" not in columns.get(name, ""):
        return {}
    text = _trimmed(name)
    # A class is a text, and a text that is not a number is found later, where numbers are judged. Empty is no label.
    return {name: _label(text) if kind == "Binary" else f"nullIf(ifNull({text}, ''), '')"}


def _trimmed(name: str) -> str:
    return f"trimBoth(toString({quote(name)}))"


def _epoch(number: str) -> str:
    """A time from a number since 1970. Its size shows whether it is in seconds, milli-, micro- or nanoseconds."""
    # Each unit for the years up to 5138; before 1973 a finer unit would be taken for a coarser one.
    units = ((1e11, "1000000"), (1e14, "1000"), (1e17, "1"))
    cases = ", ".join(f"{number} < {most!r}, {number} * {factor}" for most, factor in units)
    micros = f"toInt64(assumeNotNull(multiIf({cases}, {number} / 1000)))"
    # null is checked outside, because multiIf makes 0 of a null whole number, which would be 1970.
    return f"if(ifNull({number} >= 0, false), toNullable(fromUnixTimestamp64Micro({micros}, 'UTC')), NULL)"


def _time(text: str) -> str:
    return f"parseDateTime64BestEffortOrNull({text}, 6, 'UTC')"


def _number(text: str) -> str:
    return f"multiIf(lower({text}) = 'true', 1., lower({text}) = 'false', 0., toFloat64OrNull({text}))"


def _label(text: str) -> str:
    # A text that is neither empty nor a number is an invalid label and is counted as invalid.
    return f"if(ifNull({text}, '') = '', NULL, ifNull({_number(text)}, 2.))"
