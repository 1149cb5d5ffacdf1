{{- define "kijun.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "kijun.selector" -}}
app.kubernetes.io/name: kijun
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "kijun.labels" -}}
{{ include "kijun.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "kijun.secret" -}}
{{- .Values.secrets.existing | default (include "kijun.name" .) -}}
{{- end -}}

{{- define "kijun.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "kijun.name" .) -}}
{{- end -}}

{{/* A variable from a key of the Secret that may not be there. */}}
{{- define "kijun.optional" -}}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
      optional: true
{{- end -}}
