"""Write `README.md` of the Helm chart: how to install it, and its values from the comments of `values.yaml`. `make chart`."""

import json
from collections.abc import Iterator

from tools.chart_values import CHART, Value, read_values

README = CHART / "README.md"

_PREFACE = """\
# Helm chart of Gateway Trace Monitor

Written by `make chart` from the comments of `values.yaml`: change them there.

One replica of the monitor for all your targets, its state in a volume, its secrets in a mounted directory, under the PodSecurity
level `restricted`. Helm 3 and Helm 4 render it. `make chart-test` renders and checks it with both.

## Install

1. Build [the image](../../../docs/install.md#as-a-container-image), push it to your registry, and name it in `image.repository`.
2. Make the namespace and the Secret. Its keys are paths of settings with `__` between the parts:

   ```
   kubectl create namespace trace-monitor
   kubectl label namespace trace-monitor pod-security.kubernetes.io/enforce=restricted
   kubectl --namespace trace-monitor create secret generic trace-monitor-secrets \\
     --from-literal=targets__prod__control_plane__token="$TFY_TOKEN" \\
     --from-literal=targets__prod__traceloop__api_key="$TRACELOOP_API_KEY" \\
     --from-literal=alerting__slack__bot_token="$SLACK_BOT_TOKEN"
   ```

3. Write `my-values.yaml`:

   ```yaml
   image:
     repository: registry.example.com/gateway-trace-monitor
   existingSecret: trace-monitor-secrets
   config:
     targets:
       prod:
         control_plane: {url: https://acme.truefoundry.cloud}
         gateway: {model: openai-main/gpt-4o-mini}
         traceloop: {environment: prd}
     alerting:
       slack: {channel: C0123456789}
   ```

4. Install it from a checkout of the repository:

   ```
   helm install trace-monitor deploy/helm/gateway-trace-monitor --namespace trace-monitor --values my-values.yaml
   helm test trace-monitor --namespace trace-monitor --timeout 10m --logs
   ```

`helm test` runs `trace-monitor check`: every check once, with a real canary. It fails if a target fails, and if a check cannot tell.

Of a checkout Helm says that it follows two links: rules and dashboards are kept where they are used without Helm, too. In a package
they are files.

## What changes at run time

- **Configuration.** `config` is checked by the program's own schema before anything is installed. The monitor loads a changed
  ConfigMap by itself, a minute or two after it has changed; what it refuses is reported and changes nothing. Changes of `server`,
  `state`, `http` and `log` restart the pod, because they take effect at a start only.
- **Secrets.** A rotated Secret reaches the monitor without a restart. A secret in `config` is refused: a ConfigMap is no place
  for it.
- **The pod.** The old pod ends before the new one starts. What was awaited is in the volume and goes on.

## Prometheus, Grafana

- `metrics.podMonitor` or `metrics.serviceMonitor`: both give the job `trace-monitor`, which the alerts name, and an `instance`
  that stays the same when the pod is another one. With `read_token` set, name its key in `metrics.readTokenKey`.
- `prometheusRule`: the alerts of [`deploy/prometheus/rules.yml`](../../prometheus/rules.yml), unchanged.
- `dashboard`: the dashboards as a ConfigMap that Grafana's sidecar finds.
- Where the monitor notifies people itself, see [who pages](../../prometheus/README.md#who-pages).

Without the operator, the Service is scraped as any other: see [`deploy/prometheus/scrape.yml`](../../prometheus/scrape.yml).

## Without Helm

[`deploy/kubernetes`](../../kubernetes/README.md) holds the same objects as plain manifests.

## Values

| value | default | meaning |
|---|---|---|"""


def write() -> str:
    """The whole page."""
    return "\n".join([_PREFACE, *_rows(read_values())]) + "\n"


def _rows(values: tuple[Value, ...], above: str = "") -> Iterator[str]:
    """A row for each value that is explained; what stands above its parts goes before the first of them."""
    for value in values:
        text = f"{above} {value.text}".strip()
        if value.described_below:
            yield from _rows(value.below, text)
        else:
            default = json.dumps(value.default, ensure_ascii=False)
            yield f"| `{value.path}` | `{default}` | {text.replace('|', chr(92) + '|')} |"
        above = ""


def main() -> None:
    """Write the file."""
    README.write_text(write())


if __name__ == "__main__":
    main()
