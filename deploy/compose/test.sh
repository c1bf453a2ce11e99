#!/usr/bin/env bash
# Tries the Compose files: against the schema of Compose files, then the demo with podman-compose, on the image that `make image-test`
# has kept (.e2e/image.tar).
#
# Nothing is pulled: Prometheus and Alertmanager are this machine's binaries with the stack's own files and flags, and Grafana does not
# run. All of it has network, mounts, processes and container storage of its own: the services' names stand for loopback in it, and
# nothing of it outlives this script. As root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

say() { printf '  %s\n' "$*"; }
fail() { printf 'compose-test: %s\n' "$*" >&2; exit 1; }

if [ "${1:-}" != inside ]; then
  .venv-deploy/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose/compose*.yaml
  .venv-deploy/bin/podman-compose --file deploy/compose/compose.yaml config >/dev/null
  say "the Compose files are as the Compose specification wants them"
  amtool check-config deploy/compose/demo/alertmanager.yml >/dev/null
  [ "$(id -u)" -eq 0 ] || fail "needs root, for namespaces"
  for tool in podman prometheus prometheus-alertmanager; do command -v "$tool" >/dev/null || fail "needs $tool"; done
  exec unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private "${BASH_SOURCE[0]}" inside
fi

scratch=$(mktemp -d)
cleanup() {
  podman rm --all --force --time 0 >/dev/null 2>&1 || true
  cut -d ' ' -f 2 /proc/mounts | grep "^$scratch/store/" | sort -r | xargs -r umount || true
  rm -rf "$scratch"
}
trap cleanup EXIT

ip link set lo up
{ cat /etc/hosts; echo "127.0.0.1 monitor prometheus alertmanager grafana sandbox"; } >"$scratch/hosts"
mount --bind "$scratch/hosts" /etc/hosts
mount -t tmpfs none /etc/prometheus
cp deploy/compose/prometheus.yml deploy/prometheus/rules.yml /etc/prometheus
promtool check config /etc/prometheus/prometheus.yml >/dev/null
say "promtool and amtool accept the configuration of Prometheus and Alertmanager"

# crun starts nothing on a hybrid of cgroups v1 and v2, and limits are those that any process may set.
! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified
export CONTAINERS_CONF=$scratch/containers.conf CONTAINERS_STORAGE_CONF=$scratch/storage.conf
cat >"$CONTAINERS_CONF" <<END
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
tmp_dir = "$scratch/libpod"
END
cat >"$CONTAINERS_STORAGE_CONF" <<END
[storage]
driver = "overlay"
graphroot = "$scratch/store"
runroot = "$scratch/run"
END
podman --log-level fatal load --quiet --input .e2e/image.tar >/dev/null

"${PYTHON:-.venv/bin/python}" -m pytest -q -m e2e tests/compose --durations=3 --basetemp="$scratch/pytest"
echo "compose-test: ok"
