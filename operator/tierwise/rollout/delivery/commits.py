"""Whether what delivered pods log is the commit that was to be delivered."""

from __future__ import annotations

from tierwise.plurals import plural
from tierwise.rollout.state.flight import Flight

_SHORTEST = 7  # digits of a commit that are enough to tell it


def commit_problem(flight: Flight, tier: str) -> str | None:
    """Message when pods log another commit under the version's name; None where nothing is logged, or asked for.

    The live spec's commit counts as well: correcting it there is the remedy where the build is right.
    """
    version, live = flight.spec.to, flight.observation.deployment.spec.version
    wanted = [commit for commit in (version.commit, live.commit if live.name == version.name else None) if commit]
    found = flight.observation.commits
    if not wanted or not found:
        return None
    others = {commit: rows for commit, rows in found.items() if commit and not any(_is_same(commit, w) for w in wanted)}
    if not others:
        return None
    most = sorted(others.items(), key=lambda item: (-item[1], item[0]))[:3]
    named = ", ".join(f"{commit} ({plural(rows, 'prediction')})" for commit, rows in most)
    return (
        f"{tier}: pods log commit {named} as {version.name}, whose commit is {wanted[-1]}: another build was "
        "delivered; correct the image or parameters in a new version, or spec.version.commit"
    )


def _is_same(one: str, two: str) -> bool:
    """Equal, or one an abbreviation of the other."""
    short, long = sorted((one.lower(), two.lower()), key=len)
    return short == long or (len(short) >= _SHORTEST and long.startswith(short))
