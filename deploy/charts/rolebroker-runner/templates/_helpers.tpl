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

{{- define "rolebroker.joinSecret" -}}
{{- if and .Values.joinToken.value .Values.joinToken.existingSecret -}}
{{- fail "joinToken.value and joinToken.existingSecret are both set; one of them is enough" -}}
{{- else if .Values.joinToken.existingSecret -}}
{{- .Values.joinToken.existingSecret -}}
{{- else if .Values.joinToken.value -}}
{{- printf "%s-join" (include "rolebroker.fullname" .) -}}
{{- else -}}
{{- fail "joinToken.existingSecret is needed, or joinToken.value: what rolebroker runner join-token prints" -}}
{{- end -}}
{{- end }}

{{- define "rolebroker.stateSecret" -}}
{{- printf "%s-credential" (include "rolebroker.fullname" .) -}}
{{- end }}

{{- define "rolebroker.linkLocal" -}}
{{- if .Values.linkLocal.enabled -}}
{{- if ne .Values.mode "daemonset" -}}
{{- fail "linkLocal.enabled needs mode=daemonset: it is for the pods of the same node" -}}
{{- end -}}
{{- if .Values.tls.secretName -}}
{{- fail "linkLocal.enabled and tls.secretName are both set; a link-local address has no TLS" -}}
{{- end -}}
yes
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

{{- define "rolebroker.server" -}}
{{- $server := required "server is needed: the URL of the control plane, as in https://rolebroker.example.com" .Values.server -}}
{{- if and (hasPrefix "http://" $server) (not .Values.allowInsecure) -}}
{{- fail "server is an http:// URL, over which everybody on the way reads the runner's credential and what it is sent; use https://, or set allowInsecure=true if nothing but this cluster is on the way" -}}
{{- end -}}
{{- $server -}}
{{- end }}

{{- /* The ports of a pod behind the server's URL: of the URL, and of a control plane in this cluster. */}}
{{- define "rolebroker.serverPort" -}}
{{- $host := (urlParse .Values.server).host -}}
{{- $port := regexFind ":[0-9]+$" $host | trimPrefix ":" -}}
{{- default (ternary "80" "443" (hasPrefix "http://" .Values.server)) $port -}}
{{- end }}

{{- /* It has no namespace, so its name has the release's. */}}
{{- define "rolebroker.clusterRole" -}}
{{- printf "%s-%s" .Release.Namespace (include "rolebroker.fullname" .) | trunc 253 -}}
{{- end }}
