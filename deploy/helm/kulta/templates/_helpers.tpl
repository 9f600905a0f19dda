{{/*
A file that is the same with kustomize, in the namespace of the release. Where KULTA works on one namespace only, its rights are
bound there instead of everywhere.
*/}}
{{- define "kulta.file" -}}
{{- $text := .root.Files.Get .path | required (printf "%s is missing" .path) -}}
{{- with .root.Values.namespace -}}
{{- $text = $text | replace "kind: ClusterRoleBinding\nmetadata:\n  name: " (printf "kind: RoleBinding\nmetadata:\n  namespace: %s\n  name: namespaced-" (quote .)) -}}
{{- end -}}
{{- with .root.Values.instanceId -}}
{{- $text = $text | replace "-controller-lock]" (printf "-controller-lock-%s]" .) | replace "[kulta-inventory]" (printf "[kulta-inventory-%s]" .) | replace "get lease kulta-controller-lock`" (printf "get lease kulta-controller-lock-%s`" .) -}}
{{- end -}}
{{- $text = $text | replace "-n kulta-system " (printf "-n %s " .root.Release.Namespace) -}}
{{- /* In two steps: one namespace may have the name that stands for the other one. */ -}}
{{- $text = $text | replace ": kulta-system\n" ": @RELEASE@\n" | replace ": argo-rollouts\n" ": @LEASE@\n" -}}
{{- $text | replace ": @RELEASE@\n" (printf ": %s\n" (quote .root.Release.Namespace)) | replace ": @LEASE@\n" (printf ": %s\n" (quote .root.Values.argoApi.leaseNamespace)) -}}
{{- end -}}

{{/*
Definitions, which stay when the release goes. They are not in the folder crds/ of the chart: what is there is never upgraded.
*/}}
{{- define "kulta.definitions" -}}
{{- range $path, $_ := .root.Files.Glob .glob }}
---
{{ $.root.Files.Get $path | replace "\nmetadata:\n" "\nmetadata:\n  annotations:\n    helm.sh/resource-policy: keep\n  labels:\n    app.kubernetes.io/component: definitions\n" }}
{{- end }}
{{- end -}}

{{- define "kulta.image" -}}
{{- if .Values.image.digest -}}
{{ printf "%s@%s" .Values.image.repository .Values.image.digest | quote }}
{{- else -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
{{- end -}}
{{- end -}}

{{- define "kulta.labels" -}}
app.kubernetes.io/name: kulta
app.kubernetes.io/component: controller
{{- end -}}
