{{- define "kronkeep.settings" -}}
namespace = "{{ .Release.Namespace }}"
[clusters.default]
in_cluster = true
namespaces = {{ .Values.namespaces | toJson }}
[log]
format = "json"
{{ .Values.settings }}{{- end -}}
