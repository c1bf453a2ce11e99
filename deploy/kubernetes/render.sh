#!/usr/bin/env bash
# Prints the plain manifests: the chart rendered with values.yaml, without what only Helm understands. `make manifests`
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
helm=$(deploy/kubernetes/tools.sh helm)

echo "# Written by \`make manifests\` from deploy/helm/gateway-trace-monitor with deploy/kubernetes/values.yaml: change them there."
# Helm says on stderr that it follows the links to the rules and dashboards; an error shows in its exit code and said again.
said=$(mktemp)
trap 'rm -f "$said"' EXIT
"$helm" template trace-monitor deploy/helm/gateway-trace-monitor --namespace trace-monitor --values deploy/kubernetes/values.yaml \
  --skip-tests 2>"$said" | sed '/^ *helm\.sh\/chart: /d; /^ *app\.kubernetes\.io\/managed-by: /d' || { cat "$said" >&2; exit 1; }
