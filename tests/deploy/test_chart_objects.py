"""What the objects of the Helm chart say, by Helm 4 and Helm 3: `make chart-test`."""

import base64
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.core.model import TargetName
from tests.deploy.chart import MOUNTED, ROOT, Helm, Refused, Rendered, keep_promises, merged
from tests.deploy.chart_cases import CASES, EVERYTHING, KEYS, MINIMAL
from tests.deploy.test_chart_files import EXAMPLES, PAGES
from tools.chart_values import CHART

pytestmark = pytest.mark.e2e

# --- configuration and secrets ---------------------------------------------------------------------------------------


def test_the_monitor_runs_with_the_rendered_configuration_and_secret(helm4: Helm, tmp_path: Path) -> None:
    """By its own command, with the directory laid out as Kubernetes does; the secrets are those of the rendered Secret."""
    keys = KEYS | {"alerting__slack__bot_token": "xoxb-Secret-4"}  # for the channel of that configuration
    config = {**EVERYTHING["config"], "server": {"port": 8080}}
    values = merged(MINIMAL, {"existingSecret": "", "secret": {"values": keys}, "config": config})
    rendered = helm4.template(values)
    (tmp_path / "..data").mkdir()
    for key, text in rendered.one("Secret")["data"].items():
        (tmp_path / "..data" / key).write_bytes(base64.b64decode(text))
        (tmp_path / key).symlink_to(f"..data/{key}")
    settings = rendered.configuration(tmp_path).settings
    assert settings.targets[TargetName("prod")].checks.canary.max_tokens_per_day == 2_000_000
    file = tmp_path / "..config.yaml"
    file.write_text(rendered.one("ConfigMap")["data"]["trace-monitor.yaml"])
    (container,) = rendered.monitor["spec"]["initContainers"]
    environ = {each["name"]: each["value"] for each in container["env"]}
    assert environ["TRACE_MONITOR_SECRETS_DIR"] == MOUNTED
    environ |= {"TRACE_MONITOR_SECRETS_DIR": str(tmp_path), "TRACE_MONITOR_CONFIG": str(file)}
    command = [sys.executable, "-m", "monitor", *container["args"]]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environ, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("the configuration is valid: 1 target (prod)\n")
    assert "(4 entries)" in done.stdout
    assert not any(secret in rendered.one("ConfigMap")["data"]["trace-monitor.yaml"] for secret in keys.values())


def test_only_what_needs_it_restarts_the_pod(helm4: Helm) -> None:
    """The log's level does, and the address of the page; a target or a channel does not, which the monitor loads at run time."""
    before = helm4.template(MINIMAL).monitor

    def after(config: Mapping[str, Any], values: Mapping[str, Any] | None = None) -> Any:
        return helm4.template(merged(MINIMAL, {"config": config, **(values or {})})).monitor

    assert after({"alerting": {"slack": {"channel": "C0"}}, "targets": {"prod": {"labels": {"a": "b"}}}}) == before
    assert after({"log": {"level": "debug"}}) != before
    assert after({"http": {"proxy": "http://proxy.example.com:3128"}}) != before
    assert after({}, {"ingress": {"enabled": True, "host": "monitor.example.com"}}) != before  # `server.external_url`


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({}, None),
        ({"ingress": {"enabled": True, "host": "a.example.com"}}, "http://a.example.com"),
        ({"ingress": {"enabled": True, "host": "a.example.com", "tlsSecret": "tls"}}, "https://a.example.com"),
        (
            {"httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}], "hostnames": ["b.example.com"]}},
            "https://b.example.com",
        ),
        (
            {
                "ingress": {"enabled": True, "host": "a.example.com"},
                "config": {"server": {"external_url": "https://c.example.com"}},
            },
            "https://c.example.com",
        ),
    ],
    ids=["none", "ingress", "ingress-tls", "http-route", "given"],
)
def test_links_lead_to_where_people_reach_the_page(helm4: Helm, values: Mapping[str, Any], url: str | None) -> None:
    """`external_url` is the host of the Ingress or of the route, unless it is given."""
    rendered = helm4.template(merged(MINIMAL, values))
    assert rendered.configuration().settings.server.external_url == url
    assert "external_url" not in MINIMAL["config"].get("server", {})


def test_the_secret_is_where_it_is_said_to_be(helm: Helm) -> None:
    """The given one, the operator's, that of the values, or none; always the whole directory."""
    names = {
        "minimal": "trace-monitor-secrets",
        "everything": "trace-monitor",
        "secret-of-values": "trace-monitor",
        "by-environment": None,
    }
    for case, name in names.items():
        volumes = {each["name"]: each for each in helm.template(CASES[case]).monitor["spec"]["volumes"]}
        assert volumes.get("secrets", {}).get("secret", {}).get("secretName") == name, case
    assert helm.template(CASES["everything"]).one("ExternalSecret")["spec"]["data"][0]["secretKey"] in KEYS


# --- Prometheus, Grafana, network ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "kind", "endpoints"),
    [("pod-monitor", "PodMonitor", "podMetricsEndpoints"), ("service-monitor", "ServiceMonitor", "endpoints")],
)
def test_the_operator_scrapes_under_the_name_that_the_rules_know(
    helm: Helm, case: str, kind: str, endpoints: str
) -> None:
    """The job of the rules, for both ways; and the same series whichever pod it is, at an address that the cluster resolves."""
    rendered = helm.template(CASES[case])
    (endpoint,) = rendered.one(kind)["spec"][endpoints]
    port = rendered.one("Service")["spec"]["ports"][0]["port"]
    *named, dropped = endpoint["relabelings"]
    relabelled = {each["targetLabel"]: each["replacement"] for each in named}
    (job,) = yaml.safe_load((ROOT / "deploy" / "prometheus" / "scrape.yml").read_text())["scrape_configs"]
    assert relabelled == {"job": job["job_name"], "instance": f"trace-monitor.monitoring.svc:{port}"}
    assert dropped == {"action": "labeldrop", "regex": "pod"}
    assert endpoint["honorLabels"] is True
    assert (endpoint["port"], endpoint["path"], endpoint["scheme"]) == ("http", "/metrics", "http")


@pytest.mark.parametrize(
    ("case", "credentials"),
    [
        ("pod-monitor", None),
        ("service-monitor", {"name": "trace-monitor-secrets", "key": "server__read_token"}),
        ("own-token-secret", {"name": "scrape", "key": "token"}),
        ("everything", {"name": "trace-monitor", "key": "read-token"}),
    ],
)
def test_prometheus_sends_the_read_token(helm4: Helm, case: str, credentials: Mapping[str, str] | None) -> None:
    """Where there is one: as named, or found in the configuration."""
    rendered = helm4.template(CASES[case])
    (monitor,) = [*rendered.all("PodMonitor"), *rendered.all("ServiceMonitor")]
    (endpoint,) = monitor["spec"].get("podMetricsEndpoints") or monitor["spec"]["endpoints"]
    sent = endpoint.get("authorization")
    assert sent == ({"type": "Bearer", "credentials": credentials} if credentials else None)


@pytest.mark.parametrize("key", ["values", "external"])
def test_the_chart_finds_the_read_token_that_it_knows_of(helm4: Helm, key: str) -> None:
    """In the Secret of its values, and among the entries of the external one."""
    external = {
        "enabled": True,
        "secretStoreRef": {"name": "vault"},
        "data": [{"secretKey": "server__read_token", "remoteRef": {"key": "x"}}],
    }
    secrets: Mapping[str, Any] = {"secret": {"values": KEYS}} if key == "values" else {"externalSecret": external}
    rendered = helm4.template(
        merged(MINIMAL, {"existingSecret": "", "metrics": {"podMonitor": {"enabled": True}}, **secrets})
    )
    (endpoint,) = rendered.one("PodMonitor")["spec"]["podMetricsEndpoints"]
    assert endpoint["authorization"]["credentials"] == {"name": "trace-monitor", "key": "server__read_token"}


def test_the_rules_are_the_very_rules(helm: Helm) -> None:
    """Prometheus' own braces among them."""
    rendered = helm.template(CASES["everything"])
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())
    assert rendered.one("PrometheusRule")["spec"] == rules
    assert "{{ $labels.target }}" in rendered.text


def test_each_dashboard_is_in_the_config_map_of_the_sidecar(helm: Helm, tmp_path: Path) -> None:
    """As it stands, with Grafana's own braces; without a dashboard there is no ConfigMap."""
    shutil.copytree(CHART, tmp_path / "chart")  # what is a link becomes a file
    directory = tmp_path / "chart" / "files" / "dashboards"
    (directory / "more.json").write_text('{"legendFormat": "{{target}}"}\n')
    dashboards = {f"gateway-trace-monitor-{path.name}": path.read_text() for path in directory.glob("*.json")}
    values = merged(MINIMAL, {"dashboard": {"enabled": True}})
    (found,) = _dashboards(helm.template(values, chart=tmp_path / "chart"))
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["data"] == dashboards
    assert "gateway-trace-monitor-more.json" in dashboards
    assert _dashboards(helm.template(MINIMAL, chart=tmp_path / "chart")) == []
    shutil.rmtree(directory)
    assert _dashboards(helm.template(merged(values, {"commonLabels": {"a": "b"}}), chart=tmp_path / "chart")) == []


def _dashboards(rendered: Rendered) -> list[dict[str, Any]]:
    return [each for each in rendered.all("ConfigMap") if "trace-monitor.yaml" not in each["data"]]


def test_the_network_policy_allows_what_is_needed(helm: Helm) -> None:
    """HTTPS and DNS and what is added; in to the port from those who are named, and from nobody else."""
    policy = helm.template(CASES["everything"]).one("NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    out = [(port["port"], port.get("protocol", "TCP")) for rule in policy["egress"] for port in rule["ports"]]
    assert out == [(53, "UDP"), (53, "TCP"), (443, "TCP"), (9093, "TCP")]
    (rule,) = policy["ingress"]
    assert rule["ports"] == [{"port": "http", "protocol": "TCP"}]
    named = [each["namespaceSelector"]["matchLabels"] for each in rule["from"] if "namespaceSelector" in each]
    assert named == [{"kubernetes.io/metadata.name": name} for name in ("monitoring", "ingress-nginx")]
    assert len(rule["from"]) == 3
    assert helm.template(CASES["closed-network"]).one("NetworkPolicy")["spec"]["ingress"] == []
    by_number = merged(CASES["closed-network"], {"networkPolicy": {"ingressNamespaces": ["1234"]}})
    (rule,) = helm.template(by_number).one("NetworkPolicy")["spec"]["ingress"]
    assert rule["from"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "1234"}


# --- the release -----------------------------------------------------------------------------------------------------


def test_the_test_asks_everything_once(helm: Helm) -> None:
    """`helm test` is a pod that runs `check` with the monitor's configuration and secrets, and without its state."""
    rendered = helm.template(CASES["everything"])
    pod = rendered.one("Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["spec"]["restartPolicy"] == "Never"
    (container,) = pod["spec"]["containers"]
    (monitor,) = rendered.monitor["spec"]["containers"]
    assert container["args"] == ["check", "--timeout", "8m"]
    assert (container["image"], container["env"]) == (monitor["image"], monitor["env"])
    assert [each for each in monitor["volumeMounts"] if each not in container["volumeMounts"]] == [
        {"name": "data", "mountPath": "/data"}
    ]


def test_every_list_and_label_reaches_the_pod(helm: Helm) -> None:
    """What platform teams add to each pod."""
    rendered = helm.template(CASES["everything"])
    given = EVERYTHING
    for pod in rendered.pods:
        assert {**given["commonLabels"], **given["podLabels"]}.items() <= pod["metadata"]["labels"].items()
        for value in ("nodeSelector", "tolerations", "affinity", "priorityClassName", "imagePullSecrets"):
            assert pod["spec"][value] == given[value]
        assert given["extraVolumes"][0] in pod["spec"]["volumes"]
        container = pod["spec"]["containers"][0]
        assert given["extraEnv"][0] in container["env"]
        assert given["extraEnvFrom"] == container["envFrom"]
        assert given["extraVolumeMounts"][0] in container["volumeMounts"]
        assert container["image"] == "{repository}@{digest}".format_map(given["image"])
    assert given["podAnnotations"].items() <= rendered.monitor["metadata"]["annotations"].items()


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("trace-monitor", "trace-monitor"),
        ("gateway-trace-monitor-eu", "gateway-trace-monitor-eu"),
        ("eu", "eu-gateway-trace-monitor"),
        ("a" * 53, ("a" * 53 + "-gateway-trace-monitor")[:63].rstrip("-")),
    ],
)
def test_names_are_short_and_whole(helm4: Helm, release: str, name: str) -> None:
    """A release that is called like the chart is not called so twice; the longest name is cut."""
    rendered = helm4.template(merged(MINIMAL, {"dashboard": {"enabled": True}}), release=release)
    assert rendered.one("Deployment")["metadata"]["name"] == name
    assert [each for each in rendered.objects if len(each["metadata"]["name"]) > 63] == []


def test_the_claim_outlives_the_release_if_asked(helm4: Helm) -> None:
    """And only then."""
    keep = ("helm.sh/resource-policy", "keep")
    assert keep in helm4.template(CASES["everything"]).one("PersistentVolumeClaim")["metadata"]["annotations"].items()
    assert "annotations" not in helm4.template(MINIMAL).one("PersistentVolumeClaim")["metadata"]
    assert helm4.template(CASES["existing-claim"]).all("PersistentVolumeClaim") == []


def test_the_notes_say_what_is_missing(helm4: Helm) -> None:
    """No notifier, no links, a page that everybody sees, a state that is lost, secrets in plain text: each only where it is so."""
    warnings = {
        "nobody is notified": "minimal",
        "messages contain no links": "minimal",
        "everybody who reaches http://monitor.example.com sees the page": "ingress",
        "http://monitor.example.com is plain HTTP": "ingress",
        "image.repository is gateway-trace-monitor, which no registry serves": "minimal",
        "the state is lost with the pod": "empty-dir",
        "Helm keeps secret.values in plain text": "secret-of-values",
    }
    everything = helm4.notes(EVERYTHING)
    for text, case in warnings.items():
        assert text in helm4.notes(CASES[case])
        assert text not in everything
    assert "https://trace-monitor.example.com" in everything
    assert "helm test trace-monitor --namespace monitoring" in everything
    assert "port-forward service/trace-monitor 9797" in helm4.notes(MINIMAL)


def test_the_notes_ask_for_an_admin_token(helm4: Helm) -> None:
    """Unless one is visible; where the chart cannot see into the Secret, they say no more than that."""
    secret = {"existingSecret": "", "secret": {"values": KEYS}}
    assert "the chart cannot see whether an admin token is configured" in helm4.notes(MINIMAL)
    assert "no admin token is configured" in helm4.notes(merged(MINIMAL, secret))
    given = [
        {"config": {"server": {"admin_token_file": f"{MOUNTED}/admin-token"}}},
        merged(secret, {"secret": {"values": {"server__admin_token": "admin-Secret-4"}}}),
    ]
    assert not [values for values in given if "admin token" in helm4.notes(merged(MINIMAL, values))]


def test_the_notes_list_the_keys_of_the_secret(helm4: Helm) -> None:
    """By target, and only those that no visible source gives; a missing one is a warning where the chart can see all sources."""
    two = {"lab": {"gateway": {"url": "https://a.example.com"}, "phoenix": {"url": "https://b.example.com"}}}
    slack = {"alerting": {"slack": {"channel": "C0"}}}
    every = merged(MINIMAL, {"config": {"targets": two, **slack}})
    expected = [
        *("target lab:", "targets__lab__gateway__token", "targets__lab__phoenix__api_key"),
        *("target prod:", "targets__prod__control_plane__token", "targets__prod__traceloop__api_key"),
        *("Slack:", "alerting__slack__bot_token"),
    ]
    unseen = helm4.notes(every)
    assert "cannot see inside Secret trace-monitor-secrets. Make sure that these keys are set there:" in unseen
    none = helm4.notes(merged(every, {"existingSecret": ""}))
    assert "WARNING: no source of secrets provides these keys (set existingSecret" in none
    assert "nobody is notified" in none
    for notes in (unseen, none):
        assert [
            line.strip().split("  ")[0] for line in notes.splitlines() if line.strip().startswith(tuple(expected))
        ] == expected
    files = {"targets": {"prod": {"traceloop": {"api_key_file": f"{MOUNTED}/key"}}}}
    some = helm4.notes(merged(MINIMAL, {"config": files}))
    assert "targets__prod__control_plane__token" in some
    assert "traceloop__api_key" not in some
    complete = helm4.notes(CASES["secret-of-values"])
    assert "these keys" not in complete


def test_the_package_holds_the_rules_and_needs_nothing_beside_it(helm: Helm, tmp_path: Path) -> None:
    """What is a link in the repository is a file in the package, and it renders the same; what only tests need is left out."""
    helm.run("package", CHART, "--destination", tmp_path)
    (package,) = tmp_path.glob("*.tgz")
    with tarfile.open(package) as archive:
        inside = {member.name.removeprefix("gateway-trace-monitor/"): member for member in archive.getmembers()}
    dashboards = {f"files/dashboards/{path.name}" for path in (ROOT / "deploy" / "grafana").glob("*.json")}
    assert {"Chart.yaml", "values.yaml", "values.schema.json", "README.md"} <= inside.keys()
    assert {name for name in inside if name.startswith("files/")} == {
        "files/rules.yml",
        "files/secret-settings.txt",
        *dashboards,
    }
    assert all(member.isfile() for member in inside.values())
    assert not any(name.startswith("ci/") for name in inside)
    assert helm.template(EVERYTHING, chart=package).objects == helm.template(EVERYTHING).objects


def test_it_can_be_a_part_of_another_chart(helm: Helm, tmp_path: Path) -> None:
    """With a condition and global values; its own are still checked."""
    helm.run("package", CHART, "--destination", tmp_path / "charts")
    dependency = {"name": "gateway-trace-monitor", "version": ">=0.1.0", "condition": "gateway-trace-monitor.enabled"}
    parent = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [dependency]}
    (tmp_path / "Chart.yaml").write_text(json.dumps(parent))
    values = {"global": {"team": "ml"}, "gateway-trace-monitor": {**MINIMAL, "enabled": True}}
    rendered = helm.template(values, chart=tmp_path, release="platform")
    keep_promises(rendered)
    assert rendered.one("Deployment")["metadata"]["name"] == "platform-gateway-trace-monitor"
    off = merged(values, {"gateway-trace-monitor": {"enabled": False}})
    assert helm.template(off, chart=tmp_path, release="platform").objects == []
    with pytest.raises(Refused, match="replicaCount"):
        helm.template(
            merged(values, {"gateway-trace-monitor": {"replicaCount": 2}}), chart=tmp_path, release="platform"
        )


@pytest.mark.parametrize("values", EXAMPLES, ids=[page.name for page in PAGES])
def test_the_guides_values_are_accepted(helm: Helm, values: str) -> None:
    """What people copy from a page works."""
    keep_promises(helm.template(yaml.safe_load(values)))
