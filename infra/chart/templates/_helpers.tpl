{{- define "dojo-relay.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "dojo-relay.fullname" -}}
{{- $name := include "dojo-relay.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "dojo-relay.selectorLabels" -}}
app.kubernetes.io/name: {{ include "dojo-relay.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "dojo-relay.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "dojo-relay.selectorLabels" . }}
{{- with .Chart.AppVersion }}
app.kubernetes.io/version: {{ . | quote }}
{{- end }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "dojo-relay.image" -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion | toString) }}
{{- end }}

{{- define "dojo-relay.hookImage" -}}
{{- $tag := .Values.hook.image.tag | default .Values.image.tag | default .Chart.AppVersion }}
{{- printf "%s:%s" (.Values.hook.image.repository | default .Values.image.repository) ($tag | toString) }}
{{- end }}

{{- define "dojo-relay.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "dojo-relay.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "dojo-relay.tokenSecret" -}}
{{- .Values.webhook.tokenSecret | default (printf "%s-webhook" (include "dojo-relay.fullname" .)) }}
{{- end }}

{{/* The Service's names, by which the bucket reaches the receiver, and whatever else leads there. */}}
{{- define "dojo-relay.allowedHosts" -}}
{{- $name := include "dojo-relay.fullname" . }}
{{- $inNamespace := printf "%s.%s" $name .Release.Namespace }}
{{- $names := list $name $inNamespace (printf "%s.svc" $inNamespace) (printf "%s.svc.cluster.local" $inNamespace) }}
{{- join "," (concat $names .Values.webhook.allowedHosts) }}
{{- end }}

{{/* Whether the queue is inside the pod, and so in a volume. */}}
{{- define "dojo-relay.embeddedQueue" -}}
{{- if not .Values.sqs.endpoint }}true{{ end }}
{{- end }}

{{/* The bucket, as the service and the resync reach it. */}}
{{- define "dojo-relay.storeEnv" -}}
- name: AWS_REGION
  value: {{ .Values.s3.region | quote }}
- name: AWS_ENDPOINT_URL_S3
  value: {{ .Values.s3.endpoint | quote }}
- name: BUCKET
  value: {{ .Values.s3.bucket | quote }}
{{- with .Values.aws.credentialsSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ $.Values.aws.accessKeyKey }}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ $.Values.aws.secretKeyKey }}
{{- end }}
{{- end }}

{{/* DefectDojo, as both modes reach it; the first three are the reference chart's. */}}
{{- define "dojo-relay.defectdojoEnv" -}}
{{- $authentication := .Values.defectdojo.authentication -}}
- name: DEFECTDOJO_URL
  value: {{ .Values.defectdojo.url | quote }}
- name: DEFECTDOJO_APIKEY
  valueFrom:
    secretKeyRef:
      name: {{ $authentication.userSecret }}
      key: {{ $authentication.apiKeyKey }}
- name: DEFECTDOJO_LOW_PRIVILEGED_MODE
  value: {{ .Values.defectdojo.lowPrivilegedMode | quote }}
{{- with $authentication.userId }}
- name: DEFECTDOJO_USER_ID
  value: {{ . | int64 | quote }}
{{- end }}
{{- if $authentication.lookUpUsername }}
- name: DEFECTDOJO_USERNAME
  valueFrom:
    secretKeyRef:
      name: {{ $authentication.userSecret }}
      key: {{ $authentication.usernameKey }}
{{- end }}
{{- if ne .Values.defectdojo.syncMode "replace" }}
- name: SYNC_MODE
  value: {{ .Values.defectdojo.syncMode | quote }}
{{- end }}
{{- if ne .Values.defectdojo.onFewerFindings "keep" }}
- name: ON_FEWER_FINDINGS
  value: {{ .Values.defectdojo.onFewerFindings | quote }}
{{- end }}
{{- if ne .Values.defectdojo.genericDetails "basic" }}
- name: GENERIC_DETAILS
  value: {{ .Values.defectdojo.genericDetails | quote }}
{{- end }}
{{- with .Values.defectdojo.scanTypeMap }}
- name: SCAN_TYPE_MAP
  value: {{ . | toJson | quote }}
{{- end }}
{{- end }}
