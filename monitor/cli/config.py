"""`config validate`, `config show` and `config schema`: what the configuration says, and what it costs."""

import argparse

from monitor.cli.common import OK, USAGE, add_config, read_configuration
from monitor.settings import Loaded
from monitor.settings.coherence import (
    DAYS,
    FREE_REQUESTS,
    FREE_RETENTION,
    FREE_SPANS,
    MIB_PER_LOOK,
    READS_PER_CANARY,
    MonthlyCost,
    monthly_cost,
)
from monitor.settings.document import Layer
from monitor.settings.show import show


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `config` and its commands."""
    parser = subparsers.add_parser("config", help="validate, show or describe the configuration")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, run, text in (
        ("validate", validate, "check the configuration and print what it costs in a month"),
        ("show", show_settings, "print the effective values and where each comes from, secrets masked"),
        ("schema", print_schema, "print the JSON Schema of the configuration file"),
    ):
        command = commands.add_parser(name, help=text, description=f"{text[:1].upper()}{text[1:]}.")
        add_config(command)
        if run is validate:
            command.add_argument(
                "--no-secrets",
                action="store_true",
                help="neither secrets nor certificates need be there: for a machine that has none, such as one that builds",
            )
        command.set_defaults(run=run)


def validate(arguments: argparse.Namespace) -> int:
    """Say that the configuration is usable, from where it was read, and what each target costs."""
    loaded = read_configuration(arguments, open_files=not arguments.no_secrets)
    if loaded is None:
        return USAGE
    targets = loaded.settings.targets
    valid = "valid apart from its secrets, which were not looked at" if arguments.no_secrets else "valid"
    print(
        f"the configuration is {valid}: {len(targets)} target{'s' if len(targets) != 1 else ''} ({', '.join(targets)})"
    )
    for line in _read_from(loaded):
        print(f"  {line}")
    for name, target in targets.items():
        print(f"\n{name}: in a month of {DAYS} days")
        for line in cost_lines(monthly_cost(target)):
            print(f"  {line}")
    return OK


def show_settings(arguments: argparse.Namespace) -> int:
    """Print the effective values."""
    loaded = read_configuration(arguments)
    if loaded is None:
        return USAGE
    print(show(loaded), end="")
    return OK


def print_schema(_arguments: argparse.Namespace) -> int:
    """Print the JSON Schema; no configuration is needed for it."""
    from monitor.settings.schema import schema_text  # noqa: PLC0415 - parses sources, which no other command needs

    print(schema_text(), end="")
    return OK


def cost_lines(cost: MonthlyCost) -> list[str]:
    """The arithmetic, beside the vendors' free plans."""
    canaries, most, each = _number(cost.canaries), _number(cost.canaries_at_most), cost.spans_per_canary
    control = f" + {_number(cost.control_spans)} control spans" if cost.control_spans else ""
    spans, spans_at_most = _beside(cost.spans, FREE_SPANS), _beside(cost.spans_at_most, FREE_SPANS)
    return [
        f"requests: {canaries} canaries a day x {DAYS} = {_beside(cost.requests, FREE_REQUESTS)}",
        f"          at most {most} canaries a day x {DAYS} = {_beside(cost.requests_at_most, FREE_REQUESTS)}",
        f"          (TrueFoundry's free plan: {FREE_REQUESTS:,} requests a month)",
        f"spans:    ({canaries} canaries x {each} spans{control}) a day x {DAYS} = {spans}",
        f"          at most ({most} canaries x {each} spans{control}) a day x {DAYS} = {spans_at_most}",
        f"          (Traceloop's free plan: {FREE_SPANS:,} spans a month, kept for {FREE_RETENTION / 3600:.0f} h)",
        f"reads:    {canaries} canaries x {READS_PER_CANARY} requests a day x {DAYS} = {_number(cost.reads)}",
        f"          (at most {MIB_PER_LOOK} MiB each; Traceloop publishes no limit for its read API)",
    ]


def _beside(count: float, free: int) -> str:
    return f"{_number(count)}, {count / free:.0%} of the free plan"


def _number(count: float) -> str:
    return f"{count:,.0f}" if count == int(count) else f"{count:,.1f}"


def _read_from(loaded: Loaded) -> list[str]:
    found = loaded.places.by_layer()
    lines = [f"file: {loaded.path}" if loaded.path else "file: none"]
    if loaded.secrets_dir:
        lines.append(f"secrets directory: {loaded.secrets_dir} ({_count(found[Layer.SECRETS], 'entry', 'entries')})")
    if found[Layer.ENVIRONMENT]:
        lines.append(f"environment: {', '.join(sorted(found[Layer.ENVIRONMENT]))}")
    return lines


def _count(things: set[str], one: str, many: str) -> str:
    return f"{len(things)} {one if len(things) == 1 else many}"
