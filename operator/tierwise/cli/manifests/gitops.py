"""What each GitOps tool needs so that it leaves alone what Tierwise delivers: image and parameters of one container.

Each text was written for the tool's own way of applying: Argo CD compares field managers, Flux compares paths, Helm
replaces what its template renders.
"""

from __future__ import annotations

from tierwise.api.modeldeployment import ModelDeploymentSpec
from tierwise.api.names import FIELD_MANAGER

TOOLS = ("argocd", "flux", "helm")

_ARGOCD = """\
# Argo CD, in the Application that manages the workloads:
spec:
  ignoreDifferences:
    - group: apps
      kind: Deployment
      managedFieldsManagers: [{manager}]
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
    - target: {{kind: Deployment, labelSelector: "{selector}"}}
      paths:
        - /spec/template/spec/containers/0/image
"""

_FLUX_ENVIRONMENT = "        - /spec/template/spec/containers/0/env\n"

_HELM = """\
# Helm renders the live image, so that an upgrade does not put the chart's back. In the Deployment's template:
{{{{- $live := lookup "apps/v1" "Deployment" .Release.Namespace $name }}}}
{{{{- $image := .Values.image }}}}
{{{{- range dig "spec" "template" "spec" "containers" list $live }}}}
{{{{- if eq .name "{container}" }}}}{{{{ $image = .image }}}}{{{{ end }}}}
{{{{- end }}}}
# … image: {{{{ $image }}}}
"""

_HELM_PARAMETERS = "# and the same for the values of env {names} in it.\n"


def needs(tool: str, spec: ModelDeploymentSpec) -> list[str]:
    """One text per snippet that `tool` (one of TOOLS) needs for the workloads of a ModelDeployment."""
    container = spec.delivery.container
    names = ", ".join(sorted(spec.version.parameters))
    if tool == "argocd":
        return [_ARGOCD.format(manager=FIELD_MANAGER)]
    if tool == "flux":
        selectors = dict.fromkeys(_selector(tier.workloads.selector.match_labels) for tier in spec.tiers)
        environment = _FLUX_ENVIRONMENT if names else ""
        rules = [_FLUX_RULE.format(selector=selector) + environment for selector in selectors]
        return [_FLUX.format(container=container) + "".join(rules)]
    return [_HELM.format(container=container) + (_HELM_PARAMETERS.format(names=names) if names else "")]


def _selector(labels: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
