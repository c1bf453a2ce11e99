# shellcheck shell=bash
# What every build of the image is given, as the array `arguments`; sourced in the directory of the Dockerfile.
#
# PYTHON_IMAGE: another base image, such as a local one. SOURCE_URL: where the repository is, such as
# https://github.com/acme/gateway-trace-monitor. SOURCE_DATE_EPOCH: the time that the image says it was made.

commit=$(git rev-parse HEAD 2>/dev/null || true)  # an unpacked archive has none
revision=$commit
[ -z "$commit" ] || [ -z "$(git status --porcelain --untracked-files=no)" ] || revision=$commit-dirty

rfc3339() { date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || date -u -r "$1" +%Y-%m-%dT%H:%M:%SZ; }  # GNU, else BSD

arguments=(
  --build-arg "VERSION=$(sed -n 's/^VERSION = "\(.*\)"$/\1/p' monitor/version.py)"
  --build-arg "REVISION=$revision"
  --build-arg "CREATED=$(rfc3339 "${SOURCE_DATE_EPOCH:-$(date +%s)}")"
)
[ -z "${PYTHON_IMAGE:-}" ] || arguments+=(--build-arg "PYTHON_IMAGE=$PYTHON_IMAGE")
[ -z "${SOURCE_URL:-}" ] || arguments+=(
  --label "org.opencontainers.image.source=$SOURCE_URL"
  --label "org.opencontainers.image.documentation=$SOURCE_URL/blob/${commit:-HEAD}/docs/README.md"
)
