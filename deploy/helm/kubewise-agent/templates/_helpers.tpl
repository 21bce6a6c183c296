{{/* The chart's name. */}}
{{- define "kubewise-agent.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of everything: the release's, with the chart's unless it is in there already. */}}
{{- define "kubewise-agent.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "kubewise-agent.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "kubewise-agent.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of what belongs to no namespace: two releases in two namespaces must not share it. */}}
{{- define "kubewise-agent.clusterName" -}}
{{- if eq .Release.Namespace "kubewise" -}}
{{- include "kubewise-agent.fullname" . -}}
{{- else -}}
{{- printf "%s-%s" .Release.Namespace (include "kubewise-agent.fullname" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "kubewise-agent.selectorLabels" -}}
app.kubernetes.io/name: {{ include "kubewise-agent.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "kubewise-agent.labels" -}}
{{ include "kubewise-agent.selectorLabels" . }}
app.kubernetes.io/component: agent
app.kubernetes.io/part-of: kubewise
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "kubewise-agent.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "kubewise-agent.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The class of the pod, if any: one that is there, or the chart's own. */}}
{{- define "kubewise-agent.priorityClassName" -}}
{{- if .Values.priorityClassName -}}
{{- .Values.priorityClassName -}}
{{- else if .Values.priorityClass.create -}}
{{- include "kubewise-agent.clusterName" . -}}
{{- end -}}
{{- end -}}

{{- define "kubewise-agent.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The port of the Kubewise server: as said, else as its address says, else its scheme's. */}}
{{- define "kubewise-agent.serverPort" -}}
{{- $url := urlParse .Values.server -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- if .Values.networkPolicy.serverPort -}}
{{- .Values.networkPolicy.serverPort -}}
{{- else if $port -}}
{{- $port -}}
{{- else -}}
{{- ternary "80" "443" (eq $url.scheme "http") -}}
{{- end -}}
{{- end -}}

{{/* What a schema cannot say. */}}
{{- define "kubewise-agent.check" -}}
{{- if and (hasPrefix "http://" .Values.server) (not .Values.allowHttp) -}}
{{- fail "server: http:// would send the token and the inventory in the clear; use https://, or set allowHttp=true" -}}
{{- end -}}
{{- end -}}
