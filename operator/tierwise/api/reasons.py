"""Every reason of a condition, a gate or an Event, with one entry each.

Conditions, the remedies of `tierwise explain`, the status of a MonitoringDataset, the CRD's enum and
docs/reference/reasons.md are made from these entries. If several concerns hold a tier, the first in this order is
shown.
"""

from __future__ import annotations

from tierwise.api.reason_facts import Described, Health, broken, critical, hold, progress, unread, warning


class Reason(Described):
    """Every reason of a condition, a gate or an Event."""

    # A table: one line for each reason.
    # fmt: off
    # a person's annotation, and the pods
    ROLLBACK_REQUESTED = progress("RollbackRequested", "gate", "A person asked for a rollback by annotation.")
    PROMOTE_REQUESTED = progress("PromoteRequested", "gate", "A person promoted the tier by annotation.")
    PROBE_UNAVAILABLE = hold("ProbeUnavailable", "Something keeps the candidate's pods from existing.", "Raise the quota or free capacity.")
    BASELINE_UNREADY = hold("BaselineUnready", "The untouched pods are not ready.", "Bring them up: they are the control.")
    CANDIDATE_UNREADY = critical("CandidateUnready", "gate", "Its pods crash or are not ready in time.", "See the pods' logs.")
    WARMING_UP = progress("WarmingUp", "gate", "Judging has not begun: pods start, or the first block is not mature.")
    # a dataset or an analysis that cannot be used
    DATASET_MISSING = broken("DatasetMissing", "The MonitoringDataset does not exist.", "Apply the one that the analysis names.")
    DATASET_INVALID = broken("DatasetInvalid", "The MonitoringDataset cannot be used, or was edited.", "Correct or restore it; a tier that is judged on it needs a retry.")
    UNKNOWN_COLUMN = broken("UnknownColumn", "The table does not have the column.", "Correct spec.columns of the MonitoringDataset.")
    UNKNOWN_METRIC = broken("UnknownMetric", "There is no such metric.", "Correct the name; `tierwise metrics` lists all.")
    UNKNOWN_DIMENSION = broken("UnknownDimension", "The dataset does not define the dimension.", "Add it to spec.dimensions.")
    QUERY_REFUSED = broken("QueryRefused", "The dataset's SQL is not allowed.", "Write what docs/reference/store.md allows.")
    # a store that cannot be read
    STORE_UNREACHABLE = unread("StoreUnreachable", "The store does not respond.", "Bring the prediction log up; judging goes on by itself from the block where it stopped.", Health.UNKNOWN)
    STORE_ACCESS_DENIED = unread("StoreAccessDenied", "The store refuses the user.", "Correct the DSN in its Secret, or grant SELECT on the table.")
    UNKNOWN_TABLE = unread("UnknownTable", "The table does not exist.", "Create it (`tierwise store init`), or correct spec.table.")
    QUERY_OVER_LIMITS = unread("QueryOverLimits", "A look needs more memory or time than the store allows.", "Raise the store's limits, or judge fewer slices; `tierwise analyze` shows the query.", Health.UNKNOWN)
    QUERY_FAILED = unread("QueryFailed", "The store returned an error for a query.", "Run the dataset's SQL by hand; `tierwise analyze -o json` shows the exact query.", Health.UNKNOWN)
    METRIC_FAILED = unread("MetricFailed", "A metric of another package failed.", "Repair that package, or remove the metric.")
    # missing rows and labels
    NO_ROWS = unread("NoRows", "Neither version is in the log.", "Check the names that pods log.", Health.PASSING)
    STALE_LOG = unread("StaleLog", "The newest prediction is too old.", "Check that the pods still write predictions.", Health.PASSING)
    BASELINE_MISSING = unread("BaselineMissing", "The baseline is not in the log.", "Check the name that its pods log.")
    CANDIDATE_MISSING = unread("CandidateMissing", "The candidate is not in the log.", "Check that the twin's pods run and get traffic, and that the log's version column has the new version's name.")
    NO_LABELS = unread("NoLabels", "No prediction has a label that counts.", "Check the pipeline of labels, `where` and `maturity`.", Health.PASSING)
    TOO_FEW_ROWS = unread("TooFewRows", "Fewer rows or labels arrived than spec.volume says.", "Check logs and labels, or lower spec.volume.", Health.PASSING)
    # rows and labels that cannot be trusted
    DUPLICATE_ROWS = unread("DuplicateRows", "Requests are in the log more than once, or leaving out repeated rows takes more from one version.", "Set spec.deduplicate of the MonitoringDataset, or log each request once.", Health.PASSING)
    LABEL_CONFLICTS = unread("LabelConflicts", "One label table gives a request several labels.", "Correct the label table, or set labelledAt.", Health.PASSING)
    TIMES_UNUSABLE = unread("TimesUnusable", "Predictions have no time, or one in the future.", "Correct the time column, or the clocks.")
    SAMPLE_RATIO_MISMATCH = unread("SampleRatioMismatch", "Traffic is not split as the pods are.", "Check the Service and routing.")
    LABELING_DIFFERS = unread("LabelingDiffers", "One version's predictions get labels more often than the other's.", "Check how labels are made: one arm gets more labels, which biases every metric.", Health.PASSING)
    DOMAIN_SUSPECT = unread("DomainSuspect", "Scores or numbers of both versions cannot be used, or one version lacks them more often.", "Check the score column and spec.domain of the MonitoringDataset: scores are outside the domain.")
    # the pre-release gate
    PRE_RELEASE = hold("PreRelease", "The validation table is not enough for a verdict yet.", "Write both versions' predictions there.")
    PRE_RELEASE_FAILED = critical("PreReleaseFailed", "gate", "The candidate is worse on the validation table.", "Set another version.")
    # the verdict
    EXTERNAL_CAUSE = hold("ExternalCause", "The untouched pods are worse than their own past.", "Find what changed for both versions.")
    OUT_OF_DOMAIN = critical("OutOfDomain", "gate", "Most of its scores cannot be valid.", "Repair the model, and set a new version.")
    REGRESSED = critical("Regressed", "gate", "It is worse than its tolerance in a slice.", "Repair the model, and set a new version.")
    REGRESSION_OBSERVED = critical("RegressionObserved", "gate", "It is worse, and Tierwise does not roll it back by itself; the message says why.", "It does not pass by waiting: promote or roll back by annotation.")
    PODS_DIFFER = hold("PodsDiffer", "Pods of one version differ by more than the margin, so that no number of rows can show it to be kept.", "Give the tier more pods (the message says how many) or a wider margin, or promote by annotation.")
    PAUSED = progress("Paused", "gate", "spec.paused is set. Judging goes on; nothing is promoted.")
    SOAKING = progress("Soaking", "gate", "The tier's minDuration is not over.")
    UNCOMPARED = progress("Uncompared", "gate", "The baseline is not in the log, so there is nothing to compare with.")
    NON_INFERIOR = progress("NonInferior", "gate", "The candidate is shown not to be worse than its margins.")
    SUSPECT_SLICE = hold("SuspectSlice", "A slice that is too small to be waited for looks worse than its margin.", "Wait for more labels (the message says how many), look at the slice, or promote by annotation.")
    INCONCLUSIVE = progress("Inconclusive", "gate", "There is not enough evidence yet, either way.")
    MAX_DURATION = critical("MaxDuration", "gate", "maxDuration is over without a verdict.", "Promote, or roll back.")
    # a rollout's progress
    SLICES_JUDGED = progress("SlicesJudged", "rollout", "Slices have traffic enough to be judged on their own.")
    NO_SLICE_JUDGED = warning(
        "NoSliceJudged",
        "rollout",
        "No slice has traffic enough to be judged on its own: promotion waits for all traffic together, at most.",
        "Raise maxDuration or widen the margin as the message says; `tierwise plan` shows every slice.",
    )
    PROBING = progress("Probing", "rollout", "Candidate pods are made beside the untouched ones.")
    DELIVERING = progress("Delivering", "rollout", "The candidate goes into the tier's workloads.")
    DELIVERY_UNREADY = critical("DeliveryUnready", "rollout", "Delivered pods are not ready in time.", "See the pods' logs.")
    DELIVERY_REFUSED = warning("DeliveryRefused", "rollout", "The API server refuses a delivery.", "Correct quota, admission policy or Role.")
    COMMIT_MISMATCH = warning("CommitMismatch", "rollout", "Pods log another commit.", "State the right commit, or deliver the right build.")
    ROLLING_BACK = warning("RollingBack", "rollout", "The baseline is restored in every workload that was changed.")
    VERIFYING_RECOVERY = progress("VerifyingRecovery", "rollout", "After a rollback, workloads and log are watched.")
    RECOVERY_VERIFIED = progress("RecoveryVerified", "rollout", "After a rollback, the baseline serves everywhere.")
    RECOVERY_FAILED = critical("RecoveryFailed", "rollout", "The baseline did not recover.", "The message says what still runs or is missing.")
    COMPLETED = progress("Completed", "rollout", "The candidate serves in every tier and is the stable version.")
    VERIFYING = progress("Verifying", "rollout", "A delivered version is watched on the log.")
    VERIFIED = progress("Verified", "rollout", "A delivered version was watched to the end and did not regress.")
    NOT_VERIFIED = warning("NotVerified", "rollout", "The log is not enough for a verdict.", "`tierwise analyze` compares any two windows.")
    REGRESSED_AFTER_PROMOTION = critical("RegressedAfterPromotion", "rollout", "It got worse after delivery.", "As Regressed.")
    SUPERSEDED = progress("Superseded", "rollout", "A newer version took the rollout's place.")
    EVIDENCE_STORED = progress("EvidenceStored", "rollout", "Its verdicts so far are in the store.")
    EVIDENCE_NOT_STORED = warning("EvidenceNotStored", "rollout", "The store takes no verdicts.", "Run `tierwise store init`, or mend the store.")
    EVIDENCE_LOST = critical("EvidenceLost", "rollout", "A ModelRollout went before all its verdicts were stored.", "Mend the store.")
    # the ModelDeployment
    ADOPTED = progress("Adopted", "deployment", "The running version is the stable version; nothing was written.")
    AT_REST = progress("AtRest", "deployment", "The stable version serves, and nothing is in flight.")
    WAITING_FOR_WORKLOADS = progress("WaitingForWorkloads", "deployment", "A tier's selector matches no workload yet.")
    VERSION_REJECTED = critical("VersionRejected", "deployment", "It was rolled back before.", "Apply a new version, or retry it.")
    MIXED_BASELINE = critical("MixedBaseline", "deployment", "The workloads run different versions.", "Bring all workloads to one version.")
    NO_WORKLOADS = critical("NoWorkloads", "deployment", "A tier selects no workload.", "Label workloads, or correct the selector.")
    TIER_OVERLAP = critical("TierOverlap", "deployment", "Two tiers select the same workload.", "Let only one tier select each workload.")
    WORKLOAD_CONFLICT = critical("WorkloadConflict", "deployment", "Two ModelDeployments select a workload.", "Let only one ModelDeployment select each workload.")
    EXPOSURE_EXCEEDED = critical("ExposureExceeded", "deployment", "Too many pods have the candidate.", "Promote the tier, or roll back.")
    FIELD_CONFLICT = critical("FieldConflict", "deployment", "Another writer changes image, parameters or the update strategy.", "Stop the other writer (see examples/03-gitops), then retry.")
    PARAMETER_CONFLICT = critical("ParameterConflict", "deployment", "The workload has a parameter that only the new version sets.", "Set it in the stable version too.")
    TWIN_CONFLICT = critical("TwinConflict", "deployment", "Another owner's object has a twin's name.", "Rename or delete that object.")
    CONTAINER_MISSING = critical("ContainerMissing", "deployment", "A workload does not have the container.", "Correct spec.delivery.container.")
    VERSION_NAME_TAKEN = critical("VersionNameTaken", "deployment", "The new version has the stable version's name.", "Give it another name.")
    NOT_SUPPORTED = critical("NotSupported", "deployment", "A field needs a feature that this release does not have.", "Remove the field.")
    INVALID_SPEC = critical("InvalidSpec", "deployment", "This release cannot read the stored object.", "Correct the object, or apply the CRDs of this version.")
    COMMAND_REFUSED = warning("CommandRefused", "deployment", "An annotation has no effect.", "Use the command that the message shows.")
    IN_SYNC = progress("InSync", "deployment", "Workloads run the version that Tierwise applied.")
    DRIFTED = warning("Drifted", "deployment", "Another writer changed a workload's image or parameters.", "Undo it, roll it out as a new version, or set `spec.drift: Restore`.")
    MODEL_NAME_SHARED = warning("ModelNameShared", "deployment", "Two ModelDeployments share a name.", "Give each its spec.model.")
    # the MonitoringDataset
    USABLE = progress("Usable", "dataset", "The dataset can be read and judged.")
    LABEL_SOURCES_AGREE = progress("LabelSourcesAgree", "dataset", "Sources of labels agree on the same rows.")
    LABEL_SOURCES_DIFFER = warning("LabelSourcesDiffer", "dataset", "Label sources differ.", "`tierwise analyze` says on how many.")
    # a program that cannot do its work at all
    CLUSTER_UNREACHABLE = critical("ClusterUnreachable", "program", "The API server does not respond.", "Check --kubeconfig and --context.")
    CRDS_MISSING = critical("CrdsMissing", "program", "The cluster does not serve Tierwise's kinds.", "Install the CRDs: kubectl apply --server-side -f crds/")
    # fmt: on


UNTRUSTED = frozenset(reason for reason in Reason if reason.facts.untrusted)
"""Reasons that mean that the rows cannot be judged."""

PRECEDENCE = {reason: place for place, reason in enumerate(Reason)}
"""The rank of each reason: of several concerns the first one is shown."""
