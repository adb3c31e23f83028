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
{{- $xds := (.Values.injection | default dict).xds | default dict }}
{{- $xds.caConfigMap | default (printf "%s-ca-root-cert" (include "weft.name" .)) }}
{{- end }}

{{/* By which the pods of this release are selected; never changes. */}}
{{- define "weft.selectorLabels" -}}
app.kubernetes.io/name: weft
app.kubernetes.io/instance: {{ include "weft.name" . }}
{{- end }}

{{/* Labels of everything. commonLabels never replace one of the chart's own: things are selected by those. */}}
{{- define "weft.labels" -}}
{{ include "weft.labelsWith" (list . dict dict) }}
{{- end }}

{{/* The same with others: context, labels that count for more than the chart's own, labels that count for less. */}}
{{- define "weft.labelsWith" -}}
{{- $root := index . 0 }}
{{- $own := include "weft.selectorLabels" $root | fromYaml }}
{{- $_ := set $own "app.kubernetes.io/part-of" "weft" }}
{{- $_ := set $own "app.kubernetes.io/version" $root.Chart.AppVersion }}
{{- $_ := set $own "app.kubernetes.io/managed-by" $root.Release.Service }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") }}
{{- merge dict (index . 1 | default dict) $own (index . 2 | default dict) ($root.Values.commonLabels | default dict) | toYaml }}
{{- end }}

{{/* Of CRDs, which are no release's own. */}}
{{- define "weft.crdLabels" -}}
{{- merge (dict "app.kubernetes.io/name" "weft" "app.kubernetes.io/part-of" "weft") (.Values.commonLabels | default dict) | toYaml }}
{{- end }}

{{/* Of what is of one revision. */}}
{{- define "weft.revisionLabels" -}}
{{ include "weft.labelsWith" (list . (dict "istio.io/rev" (include "weft.revision" .)) dict) }}
{{- end }}

{{/* Pull secrets of the operator's image, names and {name: …} alike: context. */}}
{{- define "weft.imagePullSecrets" -}}
{{- range .Values.imagePullSecrets }}
- name: {{ kindIs "map" . | ternary . (dict "name" .) | dig "name" "" | quote }}
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
{{- prepend ((.Values.injection | default dict).ignoredNamespaces | default list) .Release.Namespace | uniq | toJson }}
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
{{- compact (.Values.revisionTags | default list) | toJson }}
{{- end }}

{{/* What a namespace or pod says to be served by this release. */}}
{{- define "weft.revisions" -}}
{{- prepend (include "weft.revisionTags" . | fromJsonArray) (include "weft.revision" .) | uniq | toJson }}
{{- end }}

{{/* What of its files the operator does not follow. */}}
{{- define "weft.readAtStart" -}}
{{- $injection := .Values.injection | default dict }}
{{- $fields := dict "caConfigMap" (include "weft.caConfigMap" .) "caKey" (dig "caKey" "" ($injection.xds | default dict)) "clusterDomain" (dig "clusterDomain" "" $injection) }}
{{- with .Values.webhooks.clientCa }}{{ $_ := set $fields "webhookClientCa" (sha256sum .) }}{{ end }}
{{- toJson $fields }}
{{- end }}
