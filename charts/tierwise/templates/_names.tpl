{{- define "tierwise.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "tierwise.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "tierwise.name" .) .Values.serviceAccount.name }}{{ else }}{{ required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "tierwise.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tierwise.labels" -}}
{{ include "tierwise.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "tierwise.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ default .Chart.AppVersion .Values.image.tag }}{{ end }}
{{- end }}

{{- /* Namespaces that are served, as a JSON list under the key "list"; not used with scope.cluster. */ -}}
{{- define "tierwise.namespaces" -}}
{{ dict "list" (default (list .Release.Namespace) .Values.scope.namespaces) | toJson }}
{{- end }}

{{- /* What the operator does, verb by verb. One text for the namespaced Roles and the cluster-wide role. */ -}}
{{- define "tierwise.rules" -}}
# Its own objects: read, one status write a tick, annotations and finalizer by patch.
- apiGroups: [tierwise.io]
  resources: [modeldeployments]
  verbs: [get, list, watch, patch]
- apiGroups: [tierwise.io]
  resources: [modelrollouts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [tierwise.io]
  resources: [modeldeployments/status, modelrollouts/status, monitoringdatasets/status]
  verbs: [update]
# Needed for owner references that block deletion, where that admission is on.
- apiGroups: [tierwise.io]
  resources: [modeldeployments/finalizers, modelrollouts/finalizers]
  verbs: [update]
- apiGroups: [tierwise.io]
  resources: [monitoringdatasets]
  verbs: [get, list, watch]
# Workloads, by patch: image and parameters (server-side apply); updateStrategy while some pods have the candidate.
{{- /* rights on workloads: generated, run `make generated` */}}
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [get, list, watch, patch]
{{- /* end of rights on workloads */}}
# Twins are Deployments: they are created, replaced and deleted.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [create, update, delete]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get, list, watch]
# A twin beside an autoscaled workload is taken away in steps.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
{{- if .Values.candidatePodsInPlace }}
# A pod that gets the candidate in place, or that is broken and has to go back, is deleted, so that it is made anew.
- apiGroups: [""]
  resources: [pods]
  verbs: [delete]
{{- end }}
- apiGroups: [""]
  resources: [events]
  verbs: [get, create, patch]
{{- with .Values.secrets }}
- apiGroups: [""]
  resources: [secrets]
  resourceNames: {{ toJson . }}
  verbs: [get]
{{- end }}
{{- end }}
