#!/usr/bin/env bash
# Prints the path of an OpenTelemetry Collector, built once of Go modules into the cache. `build.sh generate` writes its Go files anew.
#
# What is in it stands in builder.yaml; versions and content are pinned by go.mod and go.sum. Two minutes of CPU without a cache of
# Go's; neither debug information nor a C compiler is wanted. Exit code 3: there is no Go here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

version=$(sed -n 's/^  version: //p' builder.yaml)
command=${1:-build}
if [ "$command" = generate ]; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  sed "s|^dist:|dist:\n  output_path: $scratch|" builder.yaml >"$scratch/builder.yaml"
  go run "go.opentelemetry.io/collector/cmd/builder@v$version" --config "$scratch/builder.yaml" --skip-get-modules --skip-compilation
  # `-e`: the tests of a processor want a module that the program does without, and that not every proxy has.
  (cd "$scratch" && go mod tidy -e)
  for file in main.go main_others.go components.go go.mod go.sum; do cat "$scratch/$file" >"$file"; done
  exit
fi

pinned=$(cat ./*.go go.mod go.sum build.sh | cksum | cut -d ' ' -f 1)
built=${XDG_CACHE_HOME:-$HOME/.cache}/gateway-trace-monitor/otelcol-$version-$pinned
if [ ! -x "$built/otelcol" ]; then
  command -v go >/dev/null || { echo "no go here to build the OpenTelemetry Collector with" >&2; exit 3; }
  mkdir -p "$(dirname "$built")"
  scratch=$(mktemp -d "$built.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  echo "building the OpenTelemetry Collector $version: some minutes" >&2
  CGO_ENABLED=0 nice -n 15 go build -mod=readonly -buildvcs=false -trimpath -ldflags="-s -w" -gcflags=all=-dwarf=false -o "$scratch/otelcol" .
  [ -d "$built" ] || mv "$scratch" "$built" # somebody else may have been faster
  echo "built in $SECONDS s: $built" >&2
fi
echo "$built/otelcol"
