"""What a metric of another package may end in; it imports nothing, so that the command line starts quickly."""

from __future__ import annotations


class MetricFailedError(Exception):
    """A plug-in's metric raised, or gave arrays that make no sense: nothing is known of this metric."""

    def __init__(self, name: str, distribution: str, cause: str) -> None:
        self.message = f"metric {name!r} of {distribution} failed: {cause}"
        self.remedy = "fix it or take the metric out"
        super().__init__(f"{self.message}; {self.remedy}")
        self.name = name
        self.distribution = distribution
        self.cause = cause

    def __reduce__(self) -> tuple[type[MetricFailedError], tuple[str, str, str]]:
        """So that it comes back from another process: an exception is made anew of its one message else."""
        return type(self), (self.name, self.distribution, self.cause)
