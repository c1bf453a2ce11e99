"""A Kubernetes API server without a cluster: admission, schemas and PodSecurity are real, and no controller or kubelet runs."""

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import yaml

from tools.processes import free_ports, running, wait_until

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "gateway-trace-monitor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """The programs, and the custom resource definitions that the operators ship."""

    directory: Path
    helm: str
    helm3: str
    kubectl: str

    @property
    def definitions(self) -> Path:
        """Where the definitions are."""
        return self.directory / "crds"

    def operator(self, *arguments: str, given: str) -> str:
        """Let Prometheus Operator's own code read manifests."""
        return said([str(self.directory / "operator"), *arguments], given=given)


class RefusedError(AssertionError):
    """A program ended with an error."""


def said(command: list[str], *, given: str = "") -> str:
    """Run a program to its end; what it printed."""
    ended = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
    if ended.returncode:
        raise RefusedError(f"{Path(command[0]).name} {' '.join(command[1:])}: {ended.stderr}{ended.stdout}")
    return ended.stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running API server."""

    url: str
    kubeconfig: Path
    components: Components

    def kubectl(self, *arguments: str, given: str = "") -> str:
        """Run kubectl as an administrator."""
        return said([self.components.kubectl, "--kubeconfig", str(self.kubeconfig), *arguments], given=given)

    def helm(self, *arguments: str, values: dict[str, Any] | None = None) -> str:
        """Run helm as an administrator, with values for it."""
        given = ("--values", "-") if values is not None else ()
        command = [self.components.helm, "--kubeconfig", str(self.kubeconfig), *arguments, *given]
        return said(command, given=yaml.safe_dump(values))

    def with_helm3(self) -> Self:
        """The same server, asked by the helm that many still use."""
        return replace(self, components=replace(self.components, helm=self.components.helm3))

    def get(self, namespace: str, kind: str, name: str = "") -> dict[str, Any]:
        """What the server holds."""
        found: dict[str, Any] = json.loads(
            self.kubectl("--namespace", namespace, "get", kind, *filter(None, [name]), "--output", "json")
        )
        return found

    def pod(self, namespace: str, deployment: str) -> dict[str, Any]:
        """The pod that the deployment's controller would create, under the deployment's name."""
        template = self.get(namespace, "deployment", deployment)["spec"]["template"]
        metadata = template["metadata"] | {"name": deployment, "namespace": namespace}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}

    def admit(self, pod: dict[str, Any]) -> dict[str, Any]:
        """The pod as the server would keep it, if it does."""
        asked = ["create", "--dry-run=server", "--output=json", "--filename", "-"]
        admitted: dict[str, Any] = json.loads(self.kubectl(*asked, given=json.dumps(pod)))
        return admitted

    def objects(self, namespace: str) -> set[str]:
        """Everything in a namespace, whatever its kind: `configmap/trace-monitor`."""
        kinds = self.kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name").split()
        wanted = ",".join(kind for kind in kinds if kind.split(".")[0] != "events")
        return set(self.kubectl("--namespace", namespace, "get", wanted, "--output=name").split())


@contextmanager
def cluster_running(directory: Path, components: Components) -> Iterator[Cluster]:
    """Run etcd and the API server on free ports of loopback."""
    etcd, peer, port = (free_ports() for _ in range(3))
    key, tokens = directory / "accounts.pem", directory / "tokens.csv"
    said(["openssl", "genrsa", "-out", str(key), "2048"])
    token = secrets.token_hex()
    tokens.write_text(f'{token},admin,admin,"system:masters"\n')
    url = f"https://127.0.0.1:{port}"
    cluster = Cluster(
        url=url,
        kubeconfig=_kubeconfig(directory / "kubeconfig.json", url, token),
        components=components,
    )
    etcd_command = [
        str(components.directory / "etcd"),
        f"--data-dir={directory / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls=http://127.0.0.1:{etcd}",
        f"--advertise-client-urls=http://127.0.0.1:{etcd}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
    ]
    server_command = [
        str(components.directory / "kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={directory / 'certs'}",
        f"--token-auth-file={tokens}",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://127.0.0.1",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=StorageObjectInUseProtection",  # a controller lets go of deleted claims; none runs here
    ]
    with (
        running(etcd_command, log=directory / "etcd.log"),
        running(server_command, log=directory / "kube-apiserver.log", grace=5) as server,
    ):
        wait_until(lambda: _is_ready(cluster), within=120, what="the API server", program=server)
        yield cluster


def _is_ready(cluster: Cluster) -> bool:
    try:
        return cluster.kubectl("get", "--raw", "/readyz") == "ok"
    except RefusedError:
        return False


def _kubeconfig(path: Path, url: str, token: str) -> Path:
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "clusters": [{"name": "test", "cluster": {"server": url, "insecure-skip-tls-verify": True}}],
                "users": [{"name": "admin", "user": {"token": token}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            }
        )
    )
    path.chmod(0o600)
    return path
