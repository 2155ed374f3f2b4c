{{- define "kronkeep.settings" -}}
namespace = "{{ .Release.Namespace }}"
manifests = "/etc/kronkeepd-manifests"
[clusters.default]
in_cluster = true
namespaces = {{ .Values.namespaces | toJson }}
[log]
format = "json"
{{- if .Values.metrics.enabled }}
[metrics]
listen = "{{ .Values.metrics.address }}:{{ .Values.metrics.port }}"
allow_remote = true
{{- end }}
{{ .Values.settings }}{{- end -}}
