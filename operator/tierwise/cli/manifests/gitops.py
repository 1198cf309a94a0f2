"""The settings that each GitOps tool needs, so that it does not change the image and parameters that Tierwise delivers.

For StatefulSets and DaemonSets this includes the update strategy, which changes while only some of their pods have the
candidate. Each tool applies manifests in its own way: Argo CD compares field managers, Flux compares paths, Helm writes
what its template renders.
"""

from __future__ import annotations

from tierwise.api.modeldeployment import ModelDeploymentSpec
from tierwise.api.names import FIELD_MANAGER
from tierwise.api.workload_kinds import WorkloadKind

TOOLS = ("argocd", "flux", "helm")

_ARGOCD = """\
# Argo CD, in the Application that manages the workloads:
spec:
  ignoreDifferences:
"""

_ARGOCD_RULE = """\
    - group: apps
      kind: {kind}
      managedFieldsManagers: [{manager}]
"""

_ARGOCD_END = """\
  syncPolicy:
    syncOptions: [RespectIgnoreDifferences=true]
"""

_FLUX = """\
# Flux (2.9 or newer), in the Kustomization that manages the workloads. 0 is the index of the container {container}
# among the pod's containers; correct it where it is another one.
spec:
  ignore:
"""

_FLUX_RULE = """\
    - target: {{kind: {kind}, labelSelector: "{selector}"}}
      paths:
        - /spec/template/spec/containers/0/image
"""

_FLUX_ENVIRONMENT = "        - /spec/template/spec/containers/0/env\n"

_FLUX_STRATEGY = "        - /spec/updateStrategy\n"

_HELM = """\
# Helm renders the live image, so that an upgrade does not put the chart's back. In the {kind}'s template:
{{{{- $live := lookup "apps/v1" "{kind}" .Release.Namespace $name }}}}
{{{{- $image := .Values.image }}}}
{{{{- range dig "spec" "template" "spec" "containers" list $live }}}}
{{{{- if eq .name "{container}" }}}}{{{{ $image = .image }}}}{{{{ end }}}}
{{{{- end }}}}
# … image: {{{{ $image }}}}
"""

_HELM_PARAMETERS = "# and the same for the values of env {names} in it.\n"
_HELM_STRATEGY = "# and the same for spec.updateStrategy.\n"


def needs(tool: str, spec: ModelDeploymentSpec) -> list[str]:
    """One text per snippet that `tool` (one of TOOLS) needs for the workloads of a ModelDeployment."""
    kinds = list(dict.fromkeys(tier.workloads.kind for tier in spec.tiers))
    if tool == "argocd":
        rules = [_ARGOCD_RULE.format(kind=kind, manager=FIELD_MANAGER) for kind in kinds]
        return [_ARGOCD + "".join(rules) + _ARGOCD_END]
    if tool == "flux":
        return [_FLUX.format(container=spec.delivery.container) + "".join(_flux_rules(spec))]
    return [_helm(spec, kind) for kind in kinds]


def _flux_rules(spec: ModelDeploymentSpec) -> list[str]:
    environment = _FLUX_ENVIRONMENT if spec.version.parameters else ""
    targets = dict.fromkeys(
        (tier.workloads.kind, _selector(tier.workloads.selector.match_labels)) for tier in spec.tiers
    )
    return [
        _FLUX_RULE.format(kind=kind, selector=selector) + environment + _strategy(kind, _FLUX_STRATEGY)
        for kind, selector in targets
    ]


def _helm(spec: ModelDeploymentSpec, kind: WorkloadKind) -> str:
    names = ", ".join(sorted(spec.version.parameters))
    text = _HELM.format(container=spec.delivery.container, kind=kind)
    text += _HELM_PARAMETERS.format(names=names) if names else ""
    return text + _strategy(kind, _HELM_STRATEGY)


def _strategy(kind: WorkloadKind, text: str) -> str:
    return text if kind.facts.is_strategy_written else ""


def _selector(labels: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
