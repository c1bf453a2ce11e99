#!/usr/bin/env bash
# Builds the image with whatever is there: docker, podman or buildah. `IMAGE=name:tag deploy/image/build.sh`; PYTHON_IMAGE and
# SOURCE_URL as in arguments.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=$(sed -n 's/^VERSION = "\(.*\)"$/\1/p' monitor/version.py)
# shellcheck source=deploy/image/arguments.sh
. deploy/image/arguments.sh
image=${IMAGE:-gateway-trace-monitor:$version}

# A HEALTHCHECK is not part of the OCI image format, hence `--format docker`.
if docker info >/dev/null 2>&1; then
  docker build "${arguments[@]}" --tag "$image" .
elif command -v podman >/dev/null; then
  podman build --format docker "${arguments[@]}" --tag "$image" .
elif command -v buildah >/dev/null; then
  buildah build --format docker "${arguments[@]}" --tag "$image" .
else
  echo "no docker, podman or buildah here" >&2
  exit 1
fi
echo "built $image"
