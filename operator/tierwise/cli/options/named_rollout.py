"""What a name on the command line stands for: a ModelDeployment, or a rollout, also one that only the store has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tierwise.api.reasons import Reason
from tierwise.errors import ClusterError, SpecError, StoreError
from tierwise.plurals import plural
from tierwise.rollout.record.past import PastRollout
from tierwise.rollout.state.observation import DeploymentView, RolloutView, TierView

if TYPE_CHECKING:
    from tierwise.adapters.clickhouse.store import ClickHouseStore
    from tierwise.adapters.kubernetes.reader import Reader

PREFIXES = ("rollout/", "mro/", "modelrollout/", "modelrollouts/")
Read = tuple[DeploymentView, tuple[RolloutView, ...], tuple[TierView, ...]]


class Where(Protocol):
    """Options that say where to look."""

    @property
    def name(self) -> str:
        """The name as it was given; ``rollout/NAME`` is a rollout in any case."""
        ...

    @property
    def kubeconfig(self) -> str | None:
        """Of the cluster."""
        ...

    @property
    def context(self) -> str | None:
        """Of the kubeconfig."""
        ...

    @property
    def namespace(self) -> str | None:
        """None: the context's."""
        ...

    @property
    def dsn(self) -> str | None:
        """Of the store; None: it is not asked."""
        ...


@dataclass(frozen=True, slots=True)
class Named:
    """A rollout. `past` is what the store has of it; None where it was not asked or has nothing, as `notes` say."""

    namespace: str
    rollout: RolloutView
    past: PastRollout | None
    gone: bool
    store: str | None
    notes: tuple[str, ...]


def look_up(where: Where) -> Read | Named:
    """A ModelDeployment of that name, else a ModelRollout, else what the store has of such a rollout.

    Raises:
        SpecError: there is none of that name. StoreError: the store cannot be read, and there is no object either.
        ClusterError: the API server does not answer, and no store was given.
    """
    from tierwise.adapters.kubernetes.reader import open_reader

    name = _bare(where.name)
    try:
        with open_reader(where.kubeconfig, where.context, where.namespace) as reader:
            found = reader.find(name) if name == where.name else None
            if found is not None:
                return found
            rollout = reader.find_rollout(name)
            if rollout is not None:
                return _with_store(where, reader.namespace, rollout)
            missing = _missing(reader, name)
            namespace, why = reader.namespace, f"ModelRollout {name} does not exist any more"
    except ClusterError as error:
        if where.dsn is None:
            raise
        missing, namespace = None, where.namespace or ""
        why = f"the cluster was not asked ({str(error).partition('; ')[0]})"
    if where.dsn is None:
        assert missing is not None
        raise missing
    return stored_rollout(where.dsn, name, namespace, why)


def stored_rollout(dsn: str, name: str, namespace: str, why: str) -> Named:
    """What the store has of a rollout; `why` says in the notes why its object is not shown ("" where nobody asks).

    The empty namespace is any.

    Raises:
        SpecError: nothing. StoreError: it cannot be read.
    """
    name = _bare(name)
    with opened(dsn) as store:
        address = store.address
        past = _read(store, name, namespace)
    if past is None:
        where = f" in namespace {namespace!r}" if namespace else ""
        raise SpecError(
            (f"{why}, and " if why else "") + f"ml_verdicts of store {address} has no rollout {name!r}{where}",
            "fix the name (NAME-N, as `kubectl get mro` shows it) or the namespace (-n)",
            reason=Reason.INVALID_SPEC,
        )
    note = f"this is what store {address} has of {name}."
    note = f"{why}; {note}" if why else note
    notes = (note[0].upper() + note[1:], *_of_past(past))
    return Named(past.namespace, past.rollout, past, gone=True, store=address, notes=notes)


def _with_store(where: Where, namespace: str, rollout: RolloutView) -> Named:
    """The object, with the store's verdicts as far as they can be had."""
    if where.dsn is None:
        hint = "The verdicts of every slice are in the store: give --store (or TIERWISE_STORE)."
        return Named(namespace, rollout, None, gone=False, store=None, notes=(hint,))
    try:
        with opened(where.dsn) as store:
            address, past = store.address, _read(store, rollout.name, namespace)
    except StoreError as error:
        note = f"The verdicts of every slice cannot be read: {error}."
        return Named(namespace, rollout, None, gone=False, store=None, notes=(note,))
    if past is None or past.rollout.uid != rollout.uid:
        note = f"Store {address} has no verdicts of it."
        return Named(namespace, rollout, None, gone=False, store=address, notes=(note,))
    notes = (f"Verdicts of every slice: from ml_verdicts of store {address}.", *_of_past(past))
    return Named(namespace, rollout, past, gone=False, store=address, notes=notes)


def _of_past(past: PastRollout) -> tuple[str, ...]:
    notes = []
    if past.missing:
        notes.append("Some verdicts were lost: the operator ended before the store took them.")
    if past.others:
        count = len(past.others)
        notes.append(f"The store has {plural(count, 'earlier rollout')} of this name; this is the newest.")
    return tuple(notes)


@dataclass(frozen=True, slots=True)
class Opened:
    """A store for reading."""

    store: ClickHouseStore
    address: str


@contextmanager
def opened(dsn: str) -> Iterator[Opened]:
    """The store of a DSN, for reading."""
    # Imported here: an adapter's libraries take a second, and --help needs none of them.
    from tierwise.adapters.clickhouse.connection import parse_dsn
    from tierwise.adapters.clickhouse.store import open_store

    store = open_store(dsn, read_only=True)
    try:
        yield Opened(store, str(parse_dsn(dsn)))
    finally:
        store.close()


def _read(opened: Opened, name: str, namespace: str) -> PastRollout | None:
    from tierwise.adapters.clickhouse.verdict_table import read_rollout

    return read_rollout(opened.store, name, namespace)


def _bare(name: str) -> str:
    return next((name.removeprefix(prefix) for prefix in PREFIXES if name.startswith(prefix)), name)


def _missing(reader: Reader, name: str) -> SpecError:
    deployments = ", ".join(reader.names("modeldeployments")[:20]) or "none"
    rollouts = ", ".join(reader.names("modelrollouts")[:20]) or "none"
    return SpecError(
        f"neither ModelDeployment nor ModelRollout {name!r} exists in namespace {reader.namespace!r} "
        f"(ModelDeployments: {deployments}; ModelRollouts: {rollouts})",
        "fix the name, give the namespace with -n, or, for a rollout that is gone, the store with --store",
        reason=Reason.INVALID_SPEC,
    )
