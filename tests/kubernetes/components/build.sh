#!/usr/bin/env bash
# Prints the directory with etcd, kube-apiserver, the operator's code and CRDs, built once of Go modules into the cache.
#
# Versions and content are pinned by go.mod, go.sum and the table below. The API server is compiled whole: four minutes of CPU without a
# cache of Go's. It need not be fast, so nothing is optimized and no debug information is made.
# Exit code 3: there is no Go here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Modules that are only files to us: the module, its version, the checksum of its content as in a go.sum, its CRDs.
definitions="
github.com/prometheus-operator/prometheus-operator v0.85.0 h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s= example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml
github.com/prometheus-operator/prometheus-operator v0.85.0 h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s= example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml
github.com/prometheus-operator/prometheus-operator v0.85.0 h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s= example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml
sigs.k8s.io/gateway-api v1.4.1 h1:NPxFutNkKNa8UfLd2CMlEuhIPMQgDQ6DXNKG9sHbJU8= config/crd/standard/gateway.networking.k8s.io_httproutes.yaml
github.com/external-secrets/external-secrets v0.16.2 h1:iNY+gIgSyL5higXTfnz+hdPCaiB/43UiHLqE7HBpj68= config/crds/bases/external-secrets.io_externalsecrets.yaml"

version=$(sed -n 's/^\t*k8s.io\/kubernetes v//p' go.mod | cut -d ' ' -f 1)
pinned=$(cat go.mod go.sum build.sh operator/*.go | cksum | cut -d ' ' -f 1)
built=${XDG_CACHE_HOME:-$HOME/.cache}/gateway-trace-monitor/kubernetes-$version-$pinned
if [ -d "$built" ]; then echo "$built"; exit; fi

command -v go >/dev/null || { echo "no go here to build the API server with" >&2; exit 3; }
mkdir -p "$(dirname "$built")"
scratch=$(mktemp -d "$built.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

echo "building etcd and kube-apiserver $version: some minutes" >&2
CGO_ENABLED=0 nice go build -mod=readonly -buildvcs=false -trimpath -ldflags="-s -w -X k8s.io/component-base/version.gitVersion=v$version" -gcflags=all='-N -l -dwarf=false' \
  -o "$scratch/" ./operator go.etcd.io/etcd/server/v3 k8s.io/kubernetes/cmd/kube-apiserver
mv "$scratch/server" "$scratch/etcd"

mkdir "$scratch/crds"
while read -r module version sum file; do
  [ -n "$module" ] || continue
  # What is fetched is compared with the checksum here, in a directory where no go.mod has a say.
  told=$(cd "$scratch" && GONOSUMDB='*' GOFLAGS=-mod=mod go mod download -json "$module@$version")
  said() { sed -n "s/^\t\"$1\": \"\(.*\)\",*$/\1/p" <<<"$told"; }
  [ "$(said Sum)" = "$sum" ] || { echo "$module $version is not the pinned one: $(said Sum) $(said Error)" >&2; exit 1; }
  cat "$(said Dir)/$file" >"$scratch/crds/$(basename "$file")"
done <<<"$definitions"

[ -d "$built" ] || mv "$scratch" "$built" # somebody else may have been faster
echo "built in $SECONDS s: $built" >&2
echo "$built"
