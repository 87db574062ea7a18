{{- define "rolebroker.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "rolebroker.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "rolebroker.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "rolebroker.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "rolebroker.selector" -}}
app.kubernetes.io/name: {{ include "rolebroker.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "rolebroker.labels" -}}
{{ include "rolebroker.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "rolebroker.serviceAccount" -}}
{{- if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else if .Values.serviceAccount.create -}}
{{- include "rolebroker.fullname" . -}}
{{- else -}}
{{- fail "serviceAccount.name is needed when serviceAccount.create is false" -}}
{{- end -}}
{{- end }}

{{- define "rolebroker.image" -}}
{{- $repository := required "image.repository is needed: build deploy/Dockerfile and push it to a registry of yours" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end }}

{{- define "rolebroker.serviceNames" -}}
{{- $name := include "rolebroker.fullname" . -}}
{{- $namespace := .Release.Namespace -}}
{{- printf "%s,%s.%s,%s.%s.svc,%s.%s.svc.%s" $name $name $namespace $name $namespace $name $namespace .Values.clusterDomain -}}
{{- end }}

{{- define "rolebroker.databaseSecret" -}}
{{- if and .Values.database.url .Values.database.existingSecret -}}
{{- fail "database.url and database.existingSecret are both set; one of them is enough" -}}
{{- else if .Values.database.existingSecret -}}
{{- .Values.database.existingSecret -}}
{{- else if .Values.database.url -}}
{{- printf "%s-database" (include "rolebroker.fullname" .) -}}
{{- else -}}
{{- fail "database.existingSecret is needed, or database.url: a postgres:// URL" -}}
{{- end -}}
{{- end }}

{{- /* OpenShift gives each namespace user IDs of its own, and refuses others. */}}
{{- define "rolebroker.podSecurityContext" -}}
{{- $given := .Values.podSecurityContext -}}
{{- if .Capabilities.APIVersions.Has "security.openshift.io/v1" -}}
{{- $given = omit $given "runAsUser" "runAsGroup" "fsGroup" -}}
{{- end -}}
{{- toYaml $given -}}
{{- end }}

{{- define "rolebroker.podNetwork" -}}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
