#!/usr/bin/env bash
# Builds the image with whatever is there: docker, podman or buildah. `IMAGE=name:tag deploy/image/build.sh`
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=$(sed -n 's/^VERSION = "\(.*\)"$/\1/p' monitor/version.py)
image=${IMAGE:-gateway-trace-monitor:$version}

# A HEALTHCHECK is not part of the OCI image format, hence `--format docker`.
if docker info >/dev/null 2>&1; then
  docker build --tag "$image" .
elif command -v podman >/dev/null; then
  podman build --format docker --tag "$image" .
elif command -v buildah >/dev/null; then
  buildah build --format docker --tag "$image" .
else
  echo "no docker, podman or buildah here" >&2
  exit 1
fi
echo "built $image"
