{{/* What everything is called: weft, or weft-REVISION. Not the release's name: a cluster has one of each revision. */}}
{{- define "weft.name" -}}
{{- if and .Values.revision (ne .Values.revision "default") }}weft-{{ .Values.revision }}{{ else }}weft{{ end }}
{{- end }}

{{- define "weft.revision" -}}
{{- .Values.revision | default "default" }}
{{- end }}

{{- define "weft.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "weft.name" .) }}
{{- end }}

{{/* The ConfigMap by which pods get the CA, in each namespace that has injected ones. */}}
{{- define "weft.caConfigMap" -}}
{{- dig "xds" "caConfigMap" (printf "%s-ca-root-cert" (include "weft.name" .)) .Values.injection }}
{{- end }}

{{/* By which the pods of this release are selected; never changes. */}}
{{- define "weft.selectorLabels" -}}
app.kubernetes.io/name: weft
app.kubernetes.io/instance: {{ include "weft.name" . }}
{{- end }}

{{- define "weft.labels" -}}
{{ include "weft.selectorLabels" . }}
app.kubernetes.io/part-of: weft
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The name of an image: context, and its values. */}}
{{- define "weft.image" -}}
{{- $root := index . 0 }}
{{- with index . 1 }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $root.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* Namespaces that webhooks never look at: a cluster, and the operator itself, must start without them. */}}
{{- define "weft.ignoredNamespaces" -}}
{{- prepend (.Values.injection.ignoredNamespaces | default list) .Release.Namespace | uniq | toJson }}
{{- end }}

{{/* A namespace selector's expressions that keep webhooks away from those. */}}
{{- define "weft.namespaceExclusions" -}}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values:
    {{- include "weft.ignoredNamespaces" . | fromJsonArray | toYaml | nindent 4 }}
{{- range $key, $value := .Values.webhooks.excludedNamespaceLabels }}
- key: {{ $key }}
  operator: NotIn
  values: [{{ $value | quote }}]
{{- end }}
{{- end }}

{{/* Without the empty one, which is all that `--set 'revisionTags={}'` holds. */}}
{{- define "weft.revisionTags" -}}
{{- compact .Values.revisionTags | toJson }}
{{- end }}

{{/* What a namespace or pod says to be served by this release. */}}
{{- define "weft.revisions" -}}
{{- prepend (include "weft.revisionTags" . | fromJsonArray) (include "weft.revision" .) | uniq | toJson }}
{{- end }}
