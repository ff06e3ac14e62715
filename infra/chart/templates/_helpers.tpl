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

{{/* Whether the service is installed, and whether hooks are. */}}
{{- define "dojo-relay.service" -}}
{{- if ne .Values.mode "hook" }}true{{ end }}
{{- end }}

{{- define "dojo-relay.hook" -}}
{{- if ne .Values.mode "service" }}true{{ end }}
{{- end }}

{{/* The namespaces with a hook. */}}
{{- define "dojo-relay.hookNamespaces" -}}
{{- if eq .Values.mode "both" }}
{{- if or (not .Values.hook.namespaces) (not .Values.kubernetes.enabled) (not .Values.kubernetes.namespaces) }}
{{- fail "mode: both needs kubernetes.namespaces for the service and hook.namespaces for hooks: a scan that both get is imported twice" }}
{{- end }}
{{- if ne .Values.kubernetes.trigger "kubernetes" }}
{{- fail "mode: both needs kubernetes.trigger: kubernetes: the bucket would tell the service of the hooks' scans too" }}
{{- end }}
{{- range .Values.hook.namespaces }}
{{- if has . $.Values.kubernetes.namespaces }}
{{- fail (printf "namespace %s is in kubernetes.namespaces and in hook.namespaces: its scans would be imported twice" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- join "," (.Values.hook.namespaces | default (list .Release.Namespace)) }}
{{- end }}

{{/* Whether the queue is inside the pod, and so in a volume. */}}
{{- define "dojo-relay.embeddedQueue" -}}
{{- if and .Values.elasticmq.enabled .Values.sqs.endpoint }}
{{- fail "elasticmq.enabled brings a queue: leave sqs.endpoint empty, or elasticmq off" }}
{{- end }}
{{- if not (or .Values.sqs.endpoint .Values.elasticmq.enabled) }}true{{ end }}
{{- end }}

{{/* Of 52 characters at most: the pods of a StatefulSet have a label with its name and eleven more. */}}
{{- define "dojo-relay.elasticmq" -}}
{{- printf "%s-elasticmq" (include "dojo-relay.fullname" . | trunc 42 | trimSuffix "-") }}
{{- end }}

{{/* ElasticMQ's own configuration. */}}
{{- define "dojo-relay.elasticmqConfig" -}}
include classpath("application.conf")
node-address { protocol = http, host = "{{ include "dojo-relay.elasticmq" . }}.{{ .Release.Namespace }}.svc", port = 9324, context-path = "" }
generate-node-address = false
rest-sqs { enabled = true, bind-hostname = "0.0.0.0", bind-port = 9324, sqs-limits = strict }
rest-stats.enabled = false
messages-storage { enabled = true, uri = "jdbc:h2:/data/messages;WRITE_DELAY=0" }
aws { region = {{ .Values.s3.region }}, accountId = 000000000000 }
{{- end }}

{{/* The queue's address; empty where it is inside the pod. */}}
{{- define "dojo-relay.sqsEndpoint" -}}
{{- if .Values.elasticmq.enabled }}
{{- printf "http://%s.%s.svc:9324" (include "dojo-relay.elasticmq" .) .Release.Namespace }}
{{- else }}
{{- .Values.sqs.endpoint }}
{{- end }}
{{- end }}

{{/* The most replicas that there may be. */}}
{{- define "dojo-relay.mostReplicas" -}}
{{- ternary .Values.autoscaling.maxReplicas .Values.relay.replicas .Values.autoscaling.enabled }}
{{- end }}

{{/* The queue, as the service and the backfill reach it. ElasticMQ takes any credentials, but none at all. */}}
{{- define "dojo-relay.queueEnv" -}}
{{- with include "dojo-relay.sqsEndpoint" . }}
- name: AWS_ENDPOINT_URL_SQS
  value: {{ . | quote }}
{{- end }}
{{- if .Values.sqs.queueUrl }}
- name: QUEUE_URL
  value: {{ .Values.sqs.queueUrl | quote }}
- name: DLQ_URL
  value: {{ .Values.sqs.dlqUrl | quote }}
{{- end }}
{{- end }}

{{/* Labels that a Scan's hookSelector is held against. */}}
{{- define "dojo-relay.hookLabelsEnv" -}}
{{- with .Values.relay.hookLabels }}
{{- $labels := list }}
{{- range $name, $value := . }}{{ $labels = append $labels (printf "%s=%s" $name $value) }}{{ end -}}
- name: DEFECTDOJO_HOOK_LABELS
  value: {{ join "," $labels | quote }}
{{- end }}
{{- end }}

{{/* What the service asks of the Kubernetes API. */}}
{{- define "dojo-relay.kubernetesEnv" -}}
- name: SCAN_SOURCE
  value: {{ .Values.kubernetes.scanSource }}
- name: TRIGGER
  value: {{ .Values.kubernetes.trigger }}
{{- with .Values.kubernetes.namespaces }}
- name: SCAN_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.kubernetes.since }}
- name: SCAN_SINCE
  value: {{ . | quote }}
{{- end }}
- name: SCAN_STATUS
  value: {{ .Values.kubernetes.patchFindings | quote }}
{{- end }}

{{/* What the service may do with Scans and Events: what it uses (cli/kubernetes/cluster.ts), and nothing else. */}}
{{- define "dojo-relay.rules" -}}
- apiGroups: [execution.securecodebox.io]
  resources: [scans]
  verbs: [get, list, watch{{ if .Values.kubernetes.annotate }}, patch{{ end }}]
{{- if .Values.kubernetes.patchFindings }}
- apiGroups: [execution.securecodebox.io]
  resources: [scans/status]
  verbs: [patch]
{{- end }}
{{- if .Values.kubernetes.events }}
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}
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

{{/* Who is told what is new, and how. */}}
{{- define "dojo-relay.notifyEnv" -}}
{{- if .Values.notify.urlSecret }}
- name: NOTIFY_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.notify.urlSecret }}
      key: {{ .Values.notify.urlKey }}
- name: NOTIFY_FORMAT
  value: {{ .Values.notify.format }}
- name: NOTIFY_MINIMUM_SEVERITY
  value: {{ .Values.notify.minimumSeverity }}
{{- with .Values.notify.title }}
- name: NOTIFY_TITLE
  value: {{ . | quote }}
{{- end }}
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
{{- with $authentication.headersKey }}
- name: DEFECTDOJO_HEADERS
  valueFrom:
    secretKeyRef:
      name: {{ $authentication.userSecret }}
      key: {{ . }}
{{- end }}
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
{{- if ne .Values.defectdojo.importMode "import" }}
- name: IMPORT_MODE
  value: {{ .Values.defectdojo.importMode | quote }}
{{- end }}
{{- if ne .Values.defectdojo.onFewerFindings "keep" }}
- name: ON_FEWER_FINDINGS
  value: {{ .Values.defectdojo.onFewerFindings | quote }}
{{- end }}
{{- if ne .Values.defectdojo.genericDetails "basic" }}
- name: GENERIC_DETAILS
  value: {{ .Values.defectdojo.genericDetails | quote }}
{{- end }}
{{- with .Values.defectdojo.defaultProductTypeName }}
- name: DEFAULT_PRODUCT_TYPE_NAME
  value: {{ . | quote }}
{{- end }}
{{- with .Values.defectdojo.defaultEngagementName }}
- name: DEFAULT_ENGAGEMENT_NAME
  value: {{ . | quote }}
{{- end }}
{{- with .Values.defectdojo.scanTypeMap }}
- name: SCAN_TYPE_MAP
  value: {{ . | toJson | quote }}
{{- end }}
{{- end }}

{{/* A CronJob of a command over the bucket: .name is the command, .job its values, .env what it reads besides the bucket. */}}
{{- define "dojo-relay.cronJob" -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  # A CronJob's name is limited to 52 characters: its jobs have eleven more.
  name: {{ include "dojo-relay.fullname" .root | trunc (int (sub 51 (len .name))) | trimSuffix "-" }}-{{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "dojo-relay.labels" .root | nindent 4 }}
spec:
  schedule: {{ .job.schedule | quote }}
  {{- with .job.timeZone }}
  timeZone: {{ . | quote }}
  {{- end }}
  concurrencyPolicy: Forbid
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      # The next run repeats what a failed one left.
      backoffLimit: 0
      # A pod that never ends, for example because its image cannot be pulled, would prevent all later runs.
      activeDeadlineSeconds: {{ .job.activeDeadlineSeconds | default 43200 | int64 }}
      template:
        metadata:
          labels:
            # Not the service's labels: its Service would route notifications here.
            app.kubernetes.io/name: {{ include "dojo-relay.name" .root | trunc (int (sub 62 (len .name))) | trimSuffix "-" }}-{{ .name }}
            app.kubernetes.io/instance: {{ .root.Release.Name }}
        spec:
          restartPolicy: Never
          serviceAccountName: {{ include "dojo-relay.serviceAccountName" .root }}
          automountServiceAccountToken: false
          # A Service named s3 would set S3_PORT.
          enableServiceLinks: false
          {{- with .root.Values.imagePullSecrets }}
          imagePullSecrets:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          securityContext:
            {{- toYaml .root.Values.relay.podSecurityContext | nindent 12 }}
          containers:
            - name: {{ .name }}
              image: {{ include "dojo-relay.image" .root | quote }}
              imagePullPolicy: {{ .root.Values.image.pullPolicy }}
              args: [{{ .name }}, --since, {{ .job.since | quote }}, --, {{ .job.prefix | quote }}]
              env:
                {{- .env | nindent 16 }}
                {{- include "dojo-relay.storeEnv" .root | nindent 16 }}
                {{- with .root.Values.relay.env }}
                {{- toYaml . | nindent 16 }}
                {{- end }}
              {{- with .job.resources }}
              resources:
                {{- toYaml . | nindent 16 }}
              {{- end }}
              securityContext:
                {{- toYaml .root.Values.relay.securityContext | nindent 16 }}
              volumeMounts:
                # Findings stay there until the changes are known: the root file system is read-only.
                - name: scratch
                  mountPath: /tmp
                {{- with .root.Values.relay.extraVolumeMounts }}
                {{- toYaml . | nindent 16 }}
                {{- end }}
          volumes:
            - name: scratch
              emptyDir:
                sizeLimit: {{ .root.Values.relay.scratchSizeLimit }}
            {{- with .root.Values.relay.extraVolumes }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          {{- include "dojo-relay.placement" .root | nindent 10 }}
          {{- with .root.Values.relay.affinity }}
          affinity:
            {{- toYaml . | nindent 12 }}
          {{- end }}
{{- end }}

{{/* The nodes that every pod of the chart may run on. Affinity is not among it: it may keep replicas apart by their labels. */}}
{{- define "dojo-relay.placement" -}}
{{- with .Values.relay.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.relay.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.relay.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
