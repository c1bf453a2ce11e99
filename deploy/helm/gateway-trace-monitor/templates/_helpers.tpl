{{- define "gateway-trace-monitor.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* The name of all objects. A release called trace-monitor gets no suffix gateway-trace-monitor. */}}
{{- define "gateway-trace-monitor.fullname" -}}
{{- $name := include "gateway-trace-monitor.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if or (contains $name .Release.Name) (hasSuffix .Release.Name $name) }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* Labels that select every pod of the release: the monitor and its test. */}}
{{- define "gateway-trace-monitor.releaseLabels" -}}
app.kubernetes.io/name: {{ include "gateway-trace-monitor.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Labels that select only the monitor: the pod of `helm test` must not be behind the Service. */}}
{{- define "gateway-trace-monitor.selectorLabels" -}}
{{ include "gateway-trace-monitor.releaseLabels" . }}
app.kubernetes.io/component: monitor
{{- end }}

{{- /* Labels of a pod, without the chart's version, so that a new chart version alone restarts nothing. */}}
{{- define "gateway-trace-monitor.podLabels" -}}
{{ include "gateway-trace-monitor.releaseLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- with .Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "gateway-trace-monitor.labels" -}}
{{ include "gateway-trace-monitor.releaseLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "gateway-trace-monitor.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "gateway-trace-monitor.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "gateway-trace-monitor.image" -}}
{{- $image := .Values.image }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{- /* The Secret with the monitor's secrets; empty if there is none. */}}
{{- define "gateway-trace-monitor.secretName" -}}
{{- if .Values.existingSecret }}
{{- .Values.existingSecret }}
{{- else if or .Values.externalSecret.enabled .Values.secret.values }}
{{- include "gateway-trace-monitor.fullname" . }}
{{- end }}
{{- end }}

{{- /* The address of the page from outside the cluster; empty if it is not known. */}}
{{- define "gateway-trace-monitor.externalUrl" -}}
{{- $server := default dict .Values.config.server }}
{{- if $server.external_url }}
{{- $server.external_url }}
{{- else if and .Values.ingress.enabled .Values.ingress.host }}
{{- printf "%s://%s" (ternary "https" "http" (not (empty .Values.ingress.tlsSecret))) .Values.ingress.host }}
{{- else if and .Values.httpRoute.enabled .Values.httpRoute.hostnames }}
{{- printf "https://%s" (first .Values.httpRoute.hostnames) }}
{{- end }}
{{- end }}

{{- /* The configuration as the monitor reads it, in YAML. It never passes through `tpl`: braces in it are the monitor's. */}}
{{- define "gateway-trace-monitor.config" -}}
{{- $config := deepCopy .Values.config }}
{{- with include "gateway-trace-monitor.externalUrl" . }}
{{- $_ := set $config "server" (merge (dict "external_url" .) (default dict $config.server)) }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{- define "gateway-trace-monitor.port" -}}
{{- $server := default dict .Values.config.server }}
{{- default 9797 $server.port }}
{{- end }}

{{- define "gateway-trace-monitor.scheme" -}}
{{- $server := default dict .Values.config.server }}
{{- ternary "HTTPS" "HTTP" (not (empty $server.tls_cert)) }}
{{- end }}

{{- /* The environment of every container. The image's own values for address and state would win over the file, so both are passed on. */}}
{{- define "gateway-trace-monitor.env" -}}
{{- $server := default dict .Values.config.server }}
{{- $state := default dict .Values.config.state -}}
- name: TRACE_MONITOR_CONFIG
  value: /etc/trace-monitor/config/trace-monitor.yaml
{{- if include "gateway-trace-monitor.secretName" . }}
- name: TRACE_MONITOR_SECRETS_DIR
  value: /etc/trace-monitor/secrets
{{- end }}
- name: TRACE_MONITOR_SERVER__HOST
  value: {{ default "0.0.0.0" $server.host | quote }}
- name: TRACE_MONITOR_STATE__PATH
  value: {{ default "/data/trace-monitor.db" $state.path | quote }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* What every container reads. Directories without `subPath`, so that Kubernetes swaps their content when it changes. */}}
{{- define "gateway-trace-monitor.mounts" -}}
- name: config
  mountPath: /etc/trace-monitor/config
  readOnly: true
{{- if include "gateway-trace-monitor.secretName" . }}
- name: secrets
  mountPath: /etc/trace-monitor/secrets
  readOnly: true
{{- end }}
- name: tmp
  mountPath: /tmp
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "gateway-trace-monitor.volumes" -}}
- name: config
  configMap:
    name: {{ include "gateway-trace-monitor.fullname" . }}
{{- with include "gateway-trace-monitor.secretName" . }}
- name: secrets
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Where the pods run and as whom. */}}
{{- define "gateway-trace-monitor.placement" -}}
serviceAccountName: {{ include "gateway-trace-monitor.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- /* The key of the token that Prometheus sends: the given one, or one that the chart can see. */}}
{{- define "gateway-trace-monitor.readTokenKey" -}}
{{- $server := default dict .Values.config.server }}
{{- $file := default "" $server.read_token_file }}
{{- if .Values.metrics.readTokenKey }}
{{- .Values.metrics.readTokenKey }}
{{- else if and (hasPrefix "/etc/trace-monitor/secrets/" $file) (include "gateway-trace-monitor.secretName" .) }}
{{- base $file }}
{{- else if hasKey .Values.secret.values "server__read_token" }}
{{- "server__read_token" }}
{{- else }}
{{- range .Values.externalSecret.data }}
{{- if and $.Values.externalSecret.enabled (eq (default "" .secretKey) "server__read_token") }}
{{- .secretKey }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* How the Prometheus Operator has the monitor scraped, of a pod or of a Service.
`honorLabels`: the labels `endpoint` and `service` of the metrics are the monitor's own; the operator's would push them aside.
`job`: the rules name it, and absent() would fire for ever under another name.
`instance`, and no `pod`: one monitor at a time, so its series and alerts go on when the pod is another one. */}}
{{- define "gateway-trace-monitor.scrape" -}}
port: http
path: /metrics
scheme: {{ include "gateway-trace-monitor.scheme" . | lower }}
interval: {{ .Values.metrics.interval }}
scrapeTimeout: {{ .Values.metrics.scrapeTimeout }}
honorLabels: true
{{- with include "gateway-trace-monitor.readTokenKey" . }}
authorization:
  type: Bearer
  credentials:
    name: {{ default (include "gateway-trace-monitor.secretName" $) $.Values.metrics.readTokenSecret }}
    key: {{ . }}
{{- end }}
{{- with .Values.metrics.tlsConfig }}
tlsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
relabelings:
  - targetLabel: job
    replacement: trace-monitor
  - targetLabel: instance
    replacement: {{ printf "%s.%s.svc:%v" (include "gateway-trace-monitor.fullname" .) .Release.Namespace .Values.service.port }}
  - action: labeldrop
    regex: pod
{{- with .Values.metrics.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Refuse a secret in `config`: everybody who may read ConfigMaps could read it. `parts`: what is left of a path of
files/secret-settings.txt, where `*` is any key; `node`: what is there; `path`: the way so far. */}}
{{- define "gateway-trace-monitor.refuseSecret" -}}
{{- $path := .path }}
{{- if not .parts }}
{{- if and (kindIs "string" .node) .node }}
{{- fail (printf "config.%s is a secret and does not belong in a ConfigMap: put it into the Secret under the key %s (existingSecret, externalSecret or secret.values)" (join "." $path) (join "__" $path)) }}
{{- end }}
{{- else if kindIs "map" .node }}
{{- $part := first .parts }}
{{- $rest := rest .parts }}
{{- range $key, $below := .node }}
{{- if or (eq $part "*") (eq $part $key) }}
{{- include "gateway-trace-monitor.refuseSecret" (dict "node" $below "parts" $rest "path" (append $path $key)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* "yes" if a name with `__` between its parts, of a variable or of a key of the Secret, is that of a setting which is a secret. */}}
{{- define "gateway-trace-monitor.isSecret" -}}
{{- $name := .name }}
{{- $found := "" }}
{{- range .files.Lines "files/secret-settings.txt" }}
{{- if and . (regexMatch (printf "(?i)^%s$" (. | replace "." "__" | replace "*" ".+")) $name) }}
{{- $found = "yes" }}
{{- end }}
{{- end }}
{{- $found }}
{{- end }}

{{- /* Every setting that is visibly given outside of `config`, one a line: PROD stands for `prod`, and `_` for `-`. */}}
{{- define "gateway-trace-monitor.givenElsewhere" -}}
{{- $names := keys .Values.secret.values }}
{{- range .Values.extraEnv }}
{{- if hasPrefix "TRACE_MONITOR_" .name }}{{ $names = append $names (trimPrefix "TRACE_MONITOR_" .name) }}{{ end }}
{{- end }}
{{- if .Values.externalSecret.enabled }}
{{- range .Values.externalSecret.data }}{{ $names = append $names .secretKey }}{{ end }}
{{- end }}
{{- range $names }}
{{ . | replace "-" "_" | upper }}
{{- end }}
{{- end }}

{{- /* "yes" if a setting of a target is given: `path` in the target, in `defaults`, in the environment, or in a Secret that can be seen. */}}
{{- define "gateway-trace-monitor.isGiven" -}}
{{- $found := "" }}
{{- range $of := list .target (default dict .root.Values.config.defaults) }}
{{- $node := $of }}
{{- range splitList "." $.path }}
{{- $node = ternary (get (ternary $node dict (kindIs "map" $node)) .) nil (kindIs "map" $node) }}
{{- end }}
{{- if not (or (kindIs "invalid" $node) (eq (toString $node) "")) }}{{ $found = "yes" }}{{ end }}
{{- end }}
{{- $name := .path | replace "." "__" }}
{{- $elsewhere := include "gateway-trace-monitor.givenElsewhere" .root }}
{{- range list (printf "targets__%s__%s" .name $name) (printf "defaults__%s" $name) }}
{{- if regexMatch (printf "(?m)^%s(__.+|_FILE)?$" (. | replace "-" "_" | upper)) $elsewhere }}{{ $found = "yes" }}{{ end }}
{{- end }}
{{- $found }}
{{- end }}

{{- /* Refuse a target that the monitor would refuse although each value is allowed. The chart cannot see what `extraEnvFrom` adds. */}}
{{- define "gateway-trace-monitor.checkTarget" -}}
{{- $at := printf "config.targets.%s" .name }}
{{- $defaults := default dict .root.Values.config.defaults }}
{{- $own := or .target.traceloop .target.phoenix }}
{{- $traceloop := ternary .target.traceloop $defaults.traceloop (not (empty $own)) }}
{{- $phoenix := ternary .target.phoenix $defaults.phoenix (not (empty $own)) }}
{{- if and $traceloop $phoenix }}
{{- fail (printf "%s: traceloop and phoenix are both given, but a target has one trace backend: remove one of the two" $at) }}
{{- end }}
{{- if not .root.Values.extraEnvFrom }}
{{- if not (or (include "gateway-trace-monitor.isGiven" (merge (dict "path" "traceloop.environment") .)) (include "gateway-trace-monitor.isGiven" (merge (dict "path" "phoenix.url") .))) }}
{{- fail (printf "%s: no trace backend is given: add traceloop.environment or phoenix.url" $at) }}
{{- end }}
{{- $checks := default dict .target.checks }}
{{- $volume := default dict $checks.volume }}
{{- if not (hasKey $volume "enabled") }}
{{- $volume = default dict (default dict $defaults.checks).volume }}
{{- end }}
{{- if and $volume.enabled (not (or (include "gateway-trace-monitor.isGiven" (merge (dict "path" "control_plane") .)) (include "gateway-trace-monitor.isGiven" (merge (dict "path" "gateway.metrics_url") .)))) }}
{{- fail (printf "%s.checks.volume.enabled: nothing counts the requests: add control_plane or gateway.metrics_url" $at) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The keys of the Secret that the configuration asks for and that are not visibly given, one a line, by target. */}}
{{- define "gateway-trace-monitor.expectedKeys" -}}
{{- $defaults := default dict .Values.config.defaults }}
{{- range $name, $given := .Values.config.targets }}
{{- $of := dict "root" $ "name" $name "target" (default dict $given) }}
{{- $wanted := list }}
{{- if include "gateway-trace-monitor.isGiven" (merge (dict "path" "control_plane") $of) }}
{{- $wanted = append $wanted "control_plane.token" }}
{{- else }}
{{- $wanted = append $wanted "gateway.token" }}
{{- end }}
{{- $own := or $of.target.traceloop $of.target.phoenix }}
{{- if or $of.target.phoenix (and (not $own) $defaults.phoenix) }}
{{- $wanted = append $wanted "phoenix.api_key" }}
{{- else }}
{{- $wanted = append $wanted "traceloop.api_key" }}
{{- end }}
{{- $missing := list }}
{{- range $wanted }}
{{- $is := merge (dict "path" .) $of }}
{{- $file := merge (dict "path" (printf "%s_file" .)) $of }}
{{- if not (or (include "gateway-trace-monitor.isGiven" $is) (include "gateway-trace-monitor.isGiven" $file)) }}
{{- $missing = append $missing (printf "targets__%s__%s%s" $name (. | replace "." "__") (ternary "  (unless Phoenix runs without authentication)" "" (eq . "phoenix.api_key"))) }}
{{- end }}
{{- end }}
{{- if $missing }}
  target {{ $name }}:
{{- range $missing }}
    {{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (default dict .Values.config.alerting).slack (not (include "gateway-trace-monitor.slackToken" .)) }}
  Slack:
    alerting__slack__bot_token  (or alerting__slack__webhook_url)
{{- end }}
{{- end }}

{{- /* "yes" if Slack's token or webhook is visibly given. */}}
{{- define "gateway-trace-monitor.slackToken" -}}
{{- $slack := default dict (default dict .Values.config.alerting).slack }}
{{- if or $slack.bot_token_file $slack.webhook_url_file (regexMatch "(?m)^ALERTING__SLACK__(BOT_TOKEN|WEBHOOK_URL)(_FILE)?$" (include "gateway-trace-monitor.givenElsewhere" .)) }}yes{{ end }}
{{- end }}

{{- /* "yes" if the admin token is visibly given. */}}
{{- define "gateway-trace-monitor.adminToken" -}}
{{- $server := default dict .Values.config.server }}
{{- if or $server.admin_token_file (regexMatch "(?m)^SERVER__ADMIN_TOKEN(_FILE)?$" (include "gateway-trace-monitor.givenElsewhere" .)) }}yes{{ end }}
{{- end }}

{{- /* "yes" if there may be secrets that the chart cannot see. */}}
{{- define "gateway-trace-monitor.unseenSecrets" -}}
{{- if or .Values.existingSecret .Values.extraEnvFrom (and .Values.externalSecret.enabled .Values.externalSecret.dataFrom) }}yes{{ end }}
{{- end }}
