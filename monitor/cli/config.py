"""`config validate`, `config show`, `config schema`, and `expected`: what the configuration says, costs, and asks of the gateway."""

import argparse
import json
import sys
from collections.abc import Mapping

from monitor.cli.commands import COMMANDS
from monitor.cli.common import OK, add_config, read_configuration, read_scope
from monitor.cli.notify import called_by
from monitor.core.backend import BackendTraits
from monitor.core.model import TargetName
from monitor.core.text import count_text
from monitor.settings import Target
from monitor.settings.coherence import (
    DAYS,
    FREE_REQUESTS,
    FREE_RETENTION,
    MIB_PER_LOOK,
    READS_PER_CANARY,
    REQUESTS_PER_WINDOW,
    MonthlyCost,
    monthly_cost,
)
from monitor.settings.document import Layer
from monitor.settings.expected import form, holds_placeholder, manifest, manifest_yaml
from monitor.settings.problem import dotted
from monitor.settings.show import show


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `config` and its commands, and `expected`."""
    parser = subparsers.add_parser("config")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, run in (("validate", validate), ("show", show_settings), ("schema", print_schema)):
        command = commands.add_parser(name, help=COMMANDS[f"config {name}"].help)
        add_config(command)
        if run is validate:
            command.add_argument(
                "--no-secrets",
                action="store_true",
                help="for CI: secrets, and files of secrets and certificates, need not be there; all else is checked",
            )
        command.set_defaults(run=run)
    _add_expected(subparsers)


def _add_expected(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("expected")
    parser.add_argument(
        "--target", action="append", default=[], metavar="T", help="only this target (repeatable); default: each"
    )
    parser.add_argument(
        "--format",
        choices=("yaml", "json", "table"),
        default="yaml",
        help="yaml, json: the manifest for `tfy apply` (of several targets: one document each, one object by name); "
        "table: the rows of the form under AI Gateway → Controls → Settings → OTEL Config",
    )
    parser.add_argument("--reveal", action="store_true", help="print the key and other header values, not placeholders")
    add_config(parser)
    parser.set_defaults(run=expected)


# --- config ----------------------------------------------------------------------------------------------------------


def validate(arguments: argparse.Namespace) -> int:
    """Say that the configuration is usable, from where it was read, and what each target costs."""
    loaded = read_configuration(arguments, open_files=not arguments.no_secrets)
    targets = loaded.settings.targets
    print(f"the configuration is valid: {count_text(len(targets), 'target')} ({', '.join(targets)})")
    if arguments.no_secrets:
        print("  not checked: files of secrets and certificates, and secrets that are given nowhere")
    if loaded.assumed:
        print(f"  assumed to be given where it runs: {', '.join(map(dotted, loaded.assumed))}")
    found = loaded.places.by_layer()
    print(f"  file: {loaded.path or 'none'}")
    if loaded.secrets_dir:
        entries = len(found[Layer.SECRETS])
        print(f"  secrets directory: {loaded.secrets_dir} ({entries} {'entry' if entries == 1 else 'entries'})")
    if found[Layer.ENVIRONMENT]:
        print(f"  environment: {', '.join(sorted(found[Layer.ENVIRONMENT]))}")
    for name, target in targets.items():
        print(f"\n{name}: in a month of {DAYS} days")
        if target.backend.traits.cannot_tell:
            traits = target.backend.traits
            print(f"  not judged, because {traits.name} does not show it: {', '.join(traits.cannot_tell)}")
        for line in cost_lines(monthly_cost(target), target.backend.traits):
            print(f"  {line}")
    for line in called_by(loaded.settings):
        print(f"\n{line}")
    return OK


def show_settings(arguments: argparse.Namespace) -> int:
    """Print the effective values."""
    loaded = read_configuration(arguments)
    print(show(loaded), end="")
    return OK


def print_schema(_arguments: argparse.Namespace) -> int:
    """Print the JSON Schema; no configuration is needed for it."""
    from monitor.settings.schema import schema_text  # noqa: PLC0415 - parses sources, which no other command needs

    print(schema_text(), end="")
    return OK


def cost_lines(cost: MonthlyCost, backend: BackendTraits) -> list[str]:
    """The arithmetic, beside the vendors' free plans."""
    canaries, most, each = _number(cost.canaries), _number(cost.canaries_at_most), cost.spans_per_canary
    control = f" + {_number(cost.control_spans)} test spans" if cost.control_spans else ""
    free, name = backend.free_spans, backend.name
    spans, spans_at_most = _beside(cost.spans, free), _beside(cost.spans_at_most, free)
    plan = f"{name}'s free plan: {free:,} spans a month, kept for {FREE_RETENTION / 3600:.0f} h" if free else ""
    counted = f"{_number(cost.windows)} windows x {REQUESTS_PER_WINDOW} requests a day x {DAYS}"
    requests = _number(cost.windows * REQUESTS_PER_WINDOW * DAYS)
    volume = [f"volume:   {counted} = {requests}, none of them to a model"] if cost.windows else []
    return [
        f"requests: {canaries} canaries a day x {DAYS} = {_beside(cost.requests, FREE_REQUESTS)}",
        f"          at most {most} canaries a day x {DAYS} = {_beside(cost.requests_at_most, FREE_REQUESTS)}",
        f"          (TrueFoundry's free plan: {FREE_REQUESTS:,} requests a month)",
        f"spans:    ({canaries} canaries x {each} spans{control}) a day x {DAYS} = {spans}",
        f"          at most ({most} canaries x {each} spans{control}) a day x {DAYS} = {spans_at_most}",
        f"          ({plan or f'{name} has no plan that they count against'})",
        f"reads:    {canaries} canaries x {READS_PER_CANARY} requests a day x {DAYS} = {_number(cost.reads)}",
        f"          (at most {MIB_PER_LOOK} MiB each; {name} publishes no limit for its read API)",
        *volume,
    ]


def _beside(count: float, free: int | None) -> str:
    return _number(count) if free is None else f"{_number(count)}, {count / free:.0%} of the free plan"


def _number(count: float) -> str:
    return f"{count:,.0f}" if count == int(count) else f"{count:,.1f}"


# --- expected --------------------------------------------------------------------------------------------------------


def expected(arguments: argparse.Namespace) -> int:
    """Print the export configuration that the gateway should have, for `tfy apply` or for the dashboard's form.

    Messages ask on-call to run this, who may have the configuration and no secrets: only `--reveal` needs them.
    """
    targets = read_scope(arguments, open_files=arguments.reveal).settings.targets
    chosen = {name: target for name, target in targets.items() if not arguments.target or name in arguments.target}
    render = {"yaml": _as_yaml, "json": _as_json, "table": _as_table}[arguments.format]
    print(render(chosen, reveal=arguments.reveal), end="")
    to_apply = arguments.format != "table" and not (arguments.reveal or sys.stdout.isatty())
    if to_apply and any(map(holds_placeholder, chosen.values())):
        what = "placeholders stand for secrets, and applying this would stop the export: add --reveal for `tfy apply`"
        print(f"trace-monitor expected: {what}", file=sys.stderr)
    return OK


def _as_yaml(targets: Mapping[TargetName, Target], *, reveal: bool) -> str:
    """One document per target, each with its name in a comment."""
    documents = [f"# target {name}\n{manifest_yaml(target, reveal=reveal)}" for name, target in targets.items()]
    return "---\n".join(documents)


def _as_json(targets: Mapping[TargetName, Target], *, reveal: bool) -> str:
    """The manifest itself of one target, an object by name of several."""
    manifests = {name: manifest(target, reveal=reveal) for name, target in targets.items()}
    chosen = next(iter(manifests.values())) if len(manifests) == 1 else manifests
    return json.dumps(chosen, indent=2, ensure_ascii=False) + "\n"


def _as_table(targets: Mapping[TargetName, Target], *, reveal: bool) -> str:
    """The rows of the form."""
    blocks = []
    for name, target in targets.items():
        rows = form(target, reveal=reveal)
        width = max(len(field) for field, _ in rows)
        lines = [f"{name} (AI Gateway → Controls → Settings → OTEL Config)"]
        lines += [f"  {field:<{width}}  {value}" for field, value in rows]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)
