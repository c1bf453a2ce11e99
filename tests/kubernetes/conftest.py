"""The API server that these tests share, started when the first of them wants it."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes.cluster import ROOT, Cluster, Components, cluster_running

NONE_HERE = 3


def _fetched(*command: str) -> str:
    """What a script puts into the cache, or a skip where its tools are missing."""
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3600, check=False)
    if ended.returncode == NONE_HERE:
        pytest.skip(ended.stderr.strip())
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


@pytest.fixture(scope="session")
def components() -> Components:
    """The programs, built or fetched where the cache does not hold them."""
    return Components(
        directory=Path(_fetched("tests/kubernetes/components/build.sh")),
        helm=_fetched("deploy/kubernetes/tools.sh", "helm"),
        helm3=_fetched("deploy/kubernetes/tools.sh", "helm3"),
        kubectl=_fetched("deploy/kubernetes/tools.sh", "kubectl"),
    )


@pytest.fixture(scope="session")
def cluster(components: Components, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server that knows the kinds of Prometheus Operator, of the Gateway API and of the External Secrets Operator."""
    with cluster_running(tmp_path_factory.mktemp("kubernetes"), components) as cluster:
        cluster.kubectl("apply", "--server-side", "--filename", str(components.definitions))
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        yield cluster


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    """A namespace of the test's own that enforces the PodSecurity level `restricted`."""
    wanted = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"generateName": "test-", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    made = cluster.kubectl("create", "--filename", "-", "--output=name", given=json.dumps(wanted))
    return made.strip().removeprefix("namespace/")
