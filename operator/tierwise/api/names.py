"""Names that users and programs see: API group, labels, annotations, condition types. Reasons are in `reasons.py`."""

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
ANNOTATIONS = frozenset(
    {
        ANNOTATION_ROLLBACK,
        ANNOTATION_PROMOTE,
        ANNOTATION_RETRY,
        ANNOTATION_ROLLED_BACK_FROM,
        ANNOTATION_ROLLBACK_REASON,
        ANNOTATION_ROLLBACK_AT,
    }
)  # all that a ModelDeployment can have of ours

TWIN_SUFFIX = "-candidate"


class ConditionType(StrEnum):
    """Condition types of all three kinds (kstatus rules: docs/concepts)."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    AVAILABLE = "Available"
    PROGRESSING = "Progressing"
    SLICES_JUDGED = "SlicesJudged"  # whether promotion waits for anything smaller than all traffic
    ANALYSIS_HEALTHY = "AnalysisHealthy"
    ROLLED_BACK = "RolledBack"
    RECOVERED = "Recovered"
    VERIFIED = "Verified"
    MODEL_NAME_UNIQUE = "ModelNameUnique"
    IN_SYNC = "InSync"  # of a ModelDeployment: whether workloads run what Tierwise applied
    LABELS_AGREE = "LabelsAgree"  # of a MonitoringDataset with several sources of labels
    EVIDENCE_STORED = "EvidenceStored"  # whether the verdicts are in the store
    PAUSED = "Paused"


class GateDecision(StrEnum):
    """The gate's decision on a tier."""

    PROMOTE = "Promote"
    HOLD = "Hold"
    ROLL_BACK = "RollBack"


class Verdict(StrEnum):
    """What the evidence says about one slice and metric (precedence: monitoring/verdicts/verdict.py)."""

    REGRESSED = "Regressed"
    NON_INFERIOR = "NonInferior"
    IMPROVED = "Improved"
    INCONCLUSIVE = "Inconclusive"
    INSUFFICIENT_DATA = "InsufficientData"
