#!/usr/bin/env bash
# Builds the image and tries it as an orchestrator would run it: read-only, without capabilities, as nobody.
#
# With a docker daemon, docker does it on the real base image. Without one, buildah and podman do (as root); if the base image cannot
# be pulled, a stand-in with the same Python is made of Debian's packages, so that the Dockerfile is built as it stands.
# The container gets no network: it is asked from inside. SAVE=FILE keeps the image as an archive, for whoever tries it further.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

base=$(sed -n 's/^ARG PYTHON_IMAGE=//p' Dockerfile)
image=localhost/gateway-trace-monitor:test
name=trace-monitor-test-$$
grace=30
scratch=$(mktemp -d)

say() { printf '  %s\n' "$*"; }
fail() { printf 'image-test: %s\n' "$*" >&2; exit 1; }

# --- the engine ------------------------------------------------------------------------------------------------------

if docker info >/dev/null 2>&1; then
  engine() { docker "$@"; }
  build() { docker build --quiet "${arguments[@]}" --tag "$image" "$1" >/dev/null; }
  as_here=()
elif command -v buildah >/dev/null && command -v podman >/dev/null; then
  store=(--root "$scratch/store" --runroot "$scratch/run" --storage-driver overlay)  # this machine's own images stay as they are
  # crun does not start anything on a hybrid of cgroups v1 and v2: it is not to see the v2 part.
  engine() {
    if mountpoint -q /sys/fs/cgroup/unified; then
      unshare --mount --propagation private \
        bash -c 'umount /sys/fs/cgroup/unified; exec podman --log-level fatal "$@"' podman "${store[@]}" "$@"
    else
      podman --log-level fatal "${store[@]}" "$@"
    fi
  }
  # A machine that trusts certificates of its own (a proxy's, say) must hand them to the build as well.
  bundle=/etc/ssl/certs/ca-certificates.crt
  trust=()
  [ ! -e "$bundle" ] || trust=(--volume "$bundle:$bundle:ro")
  build() {
    buildah "${store[@]}" build --isolation chroot --format docker --pull-never "${trust[@]}" "${arguments[@]}" --tag "$image" "$1" \
      >"$scratch/build.log" 2>&1 || { tail -n 40 "$scratch/build.log" >&2; return 1; }
  }
  # Without cgroups and with limits that any process may set: so it also runs inside a container or a small virtual machine.
  as_here=(--cgroups disabled --ulimit nofile=1024:1024 --ulimit nproc=1024:1024)
else
  fail "needs a docker daemon, or buildah and podman"
fi

stand_in() {
  command -v mmdebstrap >/dev/null || fail "cannot pull $base, and there is no mmdebstrap to make a stand-in"
  say "cannot pull $base: making a stand-in of Debian's packages"
  base=localhost/python:3.13-stand-in  # no image made here has the digest
  mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3-minimal,python3-venv trixie "$scratch/rootfs.tar"
  printf 'FROM scratch\nADD rootfs.tar /\nCMD ["python3"]\n' >"$scratch/Containerfile"
  buildah "${store[@]}" build --quiet --isolation chroot --tag "$base" --file "$scratch/Containerfile" "$scratch" >/dev/null
  rm "$scratch/rootfs.tar"
}

cleanup() {
  engine rm --force --volumes "$name" >/dev/null 2>&1 || true
  umount --recursive "$scratch/store/overlay" 2>/dev/null || true
  rm -rf "$scratch"
}
trap cleanup EXIT

# --- build: from a copy with secrets lying about ---------------------------------------------------------------------

engine image inspect "$base" >/dev/null 2>&1 || engine pull --quiet "$base" >/dev/null 2>&1 || stand_in

export PYTHON_IMAGE=$base SOURCE_URL=https://forge.test/acme/gateway-trace-monitor SOURCE_DATE_EPOCH=1767225600
# shellcheck source=deploy/image/arguments.sh
. deploy/image/arguments.sh

planted=planted-secret-$RANDOM$RANDOM
mkdir "$scratch/context"
cp -R Dockerfile .dockerignore LICENSE README.md monitor pyproject.toml requirements "$scratch/context"
mkdir "$scratch/context/secrets"
for place in .env trace-monitor.yaml secrets/token monitor/state.db; do echo "$planted" >"$scratch/context/$place"; done
SECONDS=0
build "$scratch/context"
say "built in $SECONDS s"

# --- what the image says of itself -----------------------------------------------------------------------------------

inspect() { engine image inspect --format "$1" "$image"; }
expect() { [ "$2" = "$3" ] || fail "$1: expected '$3', got '$2'"; }

expect user "$(inspect '{{.Config.User}}')" 65532:65532
expect entrypoint "$(inspect '{{json .Config.Entrypoint}}')" '["trace-monitor"]'
expect command "$(inspect '{{json .Config.Cmd}}')" '["run"]'
expect "stop signal" "$(inspect '{{.Config.StopSignal}}')" SIGTERM
inspect '{{json .Config.ExposedPorts}}' | grep -q '"9797/tcp"' || fail "9797 is not exposed"
inspect '{{json .Config.Volumes}}' | grep -q '"/data"' || fail "/data is no volume"
inspect '{{json .}}' | tr -d ' \n' | grep -qi '"healthcheck":{"test":\["CMD","trace-monitor","healthcheck"\]' || fail "no HEALTHCHECK"
say "user, entrypoint, stop signal, port, volume, health check: as they should be"

label() { expect "label $1" "$(inspect "{{index .Config.Labels \"org.opencontainers.image.$1\"}}")" "$2"; }
label title gateway-trace-monitor
label licenses Apache-2.0
label base.name "$base"
label version "$(sed -n 's/^VERSION = "\(.*\)"$/\1/p' monitor/version.py)"
label revision "$revision"
label created 2026-01-01T00:00:00Z
label source "$SOURCE_URL"
label documentation "$SOURCE_URL/blob/${commit:-HEAD}/docs/README.md"
[ -n "$(inspect '{{index .Config.Labels "org.opencontainers.image.description"}}')" ] || fail "no description"
say "labels: as they should be"

engine create --name "$name" "${as_here[@]}" --network none "$image" >/dev/null
{ engine history --no-trunc "$image"; inspect '{{json .}}'; engine export "$name"; } >"$scratch/everything"
engine rm --volumes "$name" >/dev/null
! grep -qa "$planted" "$scratch/everything" || fail "a secret that lay in the source directory is in the image"
rm "$scratch/everything"
say "no secret of the source directory in the layers or the history"

# --- how it runs -----------------------------------------------------------------------------------------------------

hardened=("${as_here[@]}" --network none --read-only --tmpfs /tmp --cap-drop all --security-opt no-new-privileges)

code=0
engine run --rm "${hardened[@]}" --env TRACE_MONITOR_LOG__LEVEL=loud "$image" >"$scratch/refusal" 2>&1 || code=$?
expect "exit code of a bad configuration" "$code" 2
! grep -q Traceback "$scratch/refusal" || fail "a bad configuration ends in a traceback"
say "a bad configuration is refused with exit code 2"

# Every service is a closed port: health and readiness do not depend on them.
engine run --detach --name "$name" "${hardened[@]}" \
  --env TRACE_MONITOR_TARGETS__PROD__CONTROL_PLANE__URL=http://127.0.0.1:9 \
  --env TRACE_MONITOR_TARGETS__PROD__CONTROL_PLANE__TOKEN=image-test-token \
  --env TRACE_MONITOR_TARGETS__PROD__GATEWAY__MODEL=mock/model \
  --env TRACE_MONITOR_TARGETS__PROD__TRACELOOP__URL=http://127.0.0.1:9 \
  --env TRACE_MONITOR_TARGETS__PROD__TRACELOOP__API_KEY=image-test-key \
  --env TRACE_MONITOR_TARGETS__PROD__TRACELOOP__ENVIRONMENT=prd \
  "$image" >/dev/null

inside() { engine exec "$name" "$@"; }
answer() { inside python3 -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=3).status)' "http://127.0.0.1:9797$1" 2>/dev/null; }
deadline=$((SECONDS + 30))
until [ "$(answer /healthz || true)" = 200 ]; do
  [ "$SECONDS" -lt "$deadline" ] || { engine logs "$name" >&2; fail "/healthz does not answer"; }
  sleep 0.3
done
expect /readyz "$(answer /readyz)" 200
expect "exit code of the health check" "$(inside trace-monitor healthcheck >/dev/null 2>&1; echo $?)" 0
beside_a_bad_one() { engine exec --env TRACE_MONITOR_LOG__LEVEL=loud --env TRACE_MONITOR_SERVER__PORT=1 "$name" "$@"; }
expect "exit code of the health check beside a bad configuration" "$(beside_a_bad_one trace-monitor healthcheck >/dev/null 2>&1; echo $?)" 0
say "/healthz, /readyz and the health check answer"

expect uid "$(inside python3 -c 'import os; print(os.getuid())')" 65532
expect capabilities "$(inside python3 -c 'print(next(l.split()[1] for l in open("/proc/1/status") if l.startswith("CapEff")))')" 0000000000000000
inside python3 -c 'open("/data/written", "w")' || fail "/data is not writable"
! inside python3 -c 'open("/opt/trace-monitor/written", "w")' 2>/dev/null || fail "the root file system is writable"
inside python3 -c 'import os; os.stat("/data/trace-monitor.db")' || fail "no state in /data"
say "uid 65532, no capabilities, only /data is writable"

SECONDS=0
engine stop --time "$grace" "$name" >/dev/null
took=$SECONDS
engine logs "$name" >"$scratch/log" 2>&1
expect "exit code after SIGTERM" "$(engine inspect --format '{{.State.ExitCode}}' "$name")" 0
[ "$took" -lt "$grace" ] || fail "SIGTERM took $took s"
! grep -q 'image-test-\(token\|key\)' "$scratch/log" || fail "a secret in the log"
! grep -q Traceback "$scratch/log" || { cat "$scratch/log" >&2; fail "a traceback in the log"; }
say "SIGTERM: exit code 0 after $took s"
[ -z "${SAVE:-}" ] || { engine save --quiet --output "$scratch/image.tar" "$image"; mv "$scratch/image.tar" "$SAVE"; say "kept in $SAVE"; }
echo "image-test: ok"
