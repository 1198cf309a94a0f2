"""Names that users and programs meet: API group, labels, annotations, condition types and reasons."""

from __future__ import annotations

from enum import StrEnum

GROUP = "tierwise.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
FIELD_MANAGER = "tierwise"
FINALIZER = f"{GROUP}/finalizer"

LABEL_ARM = f"{GROUP}/arm"  # on a twin's pods: candidate
LABEL_TWIN = f"{GROUP}/twin-of"  # on a twin: name of its workload
LABEL_DEPLOYMENT = f"{GROUP}/model-deployment"  # on twins and rollouts: name of the ModelDeployment
LABEL_ROLLOUT = f"{GROUP}/rollout"
LABEL_TIER = f"{GROUP}/tier"

ANNOTATION_ROLLBACK = f"{GROUP}/rollback"
ANNOTATION_PROMOTE = f"{GROUP}/promote"
ANNOTATION_RETRY = f"{GROUP}/retry"
ANNOTATION_ROLLED_BACK_FROM = f"{GROUP}/rolled-back-from"
ANNOTATION_ROLLBACK_REASON = f"{GROUP}/rollback-reason"
ANNOTATION_ROLLBACK_AT = f"{GROUP}/rollback-at"

TWIN_SUFFIX = "-candidate"


class ConditionType(StrEnum):
    """Condition types of all three kinds (kstatus rules: docs/concepts)."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    AVAILABLE = "Available"
    PROGRESSING = "Progressing"
    ANALYSIS_HEALTHY = "AnalysisHealthy"
    ROLLED_BACK = "RolledBack"
    RECOVERED = "Recovered"
    VERIFIED = "Verified"
    MODEL_NAME_UNIQUE = "ModelNameUnique"
    LABELS_AGREE = "LabelsAgree"  # of a MonitoringDataset with several sources of labels
    PAUSED = "Paused"


class GateDecision(StrEnum):
    """What the gate says of a tier."""

    PROMOTE = "Promote"
    HOLD = "Hold"
    ROLL_BACK = "RollBack"


class Verdict(StrEnum):
    """What the evidence says of one slice and metric (precedence: monitoring/verdicts/verdict.py)."""

    REGRESSED = "Regressed"
    NON_INFERIOR = "NonInferior"
    IMPROVED = "Improved"
    INCONCLUSIVE = "Inconclusive"
    INSUFFICIENT_DATA = "InsufficientData"


class Reason(StrEnum):
    """Every reason that a condition, a gate or an Event can carry."""

    # the gate, in its order of precedence (rollout/gate.py)
    ROLLBACK_REQUESTED = "RollbackRequested"
    PROMOTE_REQUESTED = "PromoteRequested"
    PROBE_UNAVAILABLE = "ProbeUnavailable"
    BASELINE_UNREADY = "BaselineUnready"
    CANDIDATE_UNREADY = "CandidateUnready"
    WARMING_UP = "WarmingUp"
    STORE_UNREACHABLE = "StoreUnreachable"
    STORE_ACCESS_DENIED = "StoreAccessDenied"
    UNKNOWN_TABLE = "UnknownTable"
    QUERY_OVER_LIMITS = "QueryOverLimits"
    QUERY_FAILED = "QueryFailed"
    NO_ROWS = "NoRows"
    NO_LABELS = "NoLabels"
    STALE_LOG = "StaleLog"
    METRIC_FAILED = "MetricFailed"  # a plug-in raised, or returned what is no count or estimate
    TOO_FEW_ROWS = "TooFewRows"  # spec.volume of a dataset
    DUPLICATE_ROWS = "DuplicateRows"  # of one request, with columns.requestId
    LABEL_CONFLICTS = "LabelConflicts"  # of one request in one label table
    TIMES_UNUSABLE = "TimesUnusable"  # rows without a time, or with one in the future
    PRE_RELEASE = "PreRelease"  # the validation table, before any pod is touched
    PRE_RELEASE_FAILED = "PreReleaseFailed"
    BASELINE_MISSING = "BaselineMissing"
    CANDIDATE_MISSING = "CandidateMissing"
    SAMPLE_RATIO_MISMATCH = "SampleRatioMismatch"
    LABELING_DIFFERS = "LabelingDiffers"
    DOMAIN_SUSPECT = "DomainSuspect"  # out-of-domain scores in both arms, or more of the candidate's
    EXTERNAL_CAUSE = "ExternalCause"
    OUT_OF_DOMAIN = "OutOfDomain"  # in the candidate only
    REGRESSED = "Regressed"
    REGRESSION_OBSERVED = "RegressionObserved"
    PAUSED = "Paused"
    SOAKING = "Soaking"
    UNCOMPARED = "Uncompared"  # the baseline was captured at first sight: nothing to compare with
    NON_INFERIOR = "NonInferior"
    INCONCLUSIVE = "Inconclusive"
    MAX_DURATION = "MaxDuration"
    # a tier's or rollout's progress
    PROBING = "Probing"
    DELIVERING = "Delivering"
    DELIVERY_UNREADY = "DeliveryUnready"
    DELIVERY_REFUSED = "DeliveryRefused"  # by admission or quota: the write itself
    COMMIT_MISMATCH = "CommitMismatch"  # what pods log is not the commit that was delivered
    ROLLING_BACK = "RollingBack"
    VERIFYING_RECOVERY = "VerifyingRecovery"
    RECOVERY_VERIFIED = "RecoveryVerified"
    RECOVERY_FAILED = "RecoveryFailed"
    COMPLETED = "Completed"
    VERIFYING = "Verifying"  # a delivered version is watched on the log
    VERIFIED = "Verified"
    NOT_VERIFIED = "NotVerified"  # the log could not tell
    REGRESSED_AFTER_PROMOTION = "RegressedAfterPromotion"
    SUPERSEDED = "Superseded"
    # the ModelDeployment
    ADOPTED = "Adopted"
    AT_REST = "AtRest"
    WAITING_FOR_WORKLOADS = "WaitingForWorkloads"
    VERSION_REJECTED = "VersionRejected"
    # stalled: a person has to do something
    MIXED_BASELINE = "MixedBaseline"
    NO_WORKLOADS = "NoWorkloads"
    TIER_OVERLAP = "TierOverlap"
    WORKLOAD_CONFLICT = "WorkloadConflict"
    FIELD_CONFLICT = "FieldConflict"
    PARAMETER_CONFLICT = "ParameterConflict"
    TWIN_CONFLICT = "TwinConflict"
    CONTAINER_MISSING = "ContainerMissing"
    VERSION_NAME_TAKEN = "VersionNameTaken"
    DATASET_MISSING = "DatasetMissing"
    DATASET_INVALID = "DatasetInvalid"
    UNKNOWN_COLUMN = "UnknownColumn"
    UNKNOWN_METRIC = "UnknownMetric"
    UNKNOWN_DIMENSION = "UnknownDimension"
    QUERY_REFUSED = "QueryRefused"  # the SQL guard
    NOT_SUPPORTED = "NotSupported"
    INVALID_SPEC = "InvalidSpec"
    MODEL_NAME_SHARED = "ModelNameShared"  # a warning: two ModelDeployments whose predictions the log cannot tell apart
    # the MonitoringDataset
    USABLE = "Usable"
    LABEL_SOURCES_AGREE = "LabelSourcesAgree"
    LABEL_SOURCES_DIFFER = "LabelSourcesDiffer"
    # a program that cannot do its work at all
    CLUSTER_UNREACHABLE = "ClusterUnreachable"
    CRDS_MISSING = "CrdsMissing"
