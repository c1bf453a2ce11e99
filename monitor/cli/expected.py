"""`expected`: the export configuration that the gateway should have, ready for `tfy apply` or for the dashboard's form."""

import argparse
import json
from collections.abc import Mapping

from monitor.cli.common import OK, USAGE, add_config, read_configuration, refuse_target
from monitor.core.model import TargetName
from monitor.settings import Target
from monitor.settings.expected import form, manifest, manifest_yaml


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `expected`."""
    text = "print the export configuration that the gateway should have"
    parser = subparsers.add_parser("expected", help=text, description=f"{text[:1].upper()}{text[1:]}.")
    parser.add_argument("--target", metavar="T", help="only this target; default: each")
    parser.add_argument(
        "--format",
        choices=("yaml", "json", "table"),
        default="yaml",
        help="yaml, json: the manifest for `tfy apply` (of several targets: one document each, one object by name); "
        "table: the rows of the form under AI Gateway, Controls, Settings, OTEL Config",
    )
    parser.add_argument("--reveal", action="store_true", help="print the key and other header values, not placeholders")
    add_config(parser)
    parser.set_defaults(run=expected)


def expected(arguments: argparse.Namespace) -> int:
    """Print it."""
    loaded = read_configuration(arguments)
    if loaded is None:
        return USAGE
    targets = loaded.settings.targets
    asked = arguments.target
    if asked is not None and asked not in targets:
        return refuse_target(asked, loaded)
    chosen = {name: target for name, target in targets.items() if asked in {None, name}}
    render = {"yaml": as_yaml, "json": as_json, "table": as_table}[arguments.format]
    print(render(chosen, reveal=arguments.reveal), end="")
    return OK


def as_yaml(targets: Mapping[TargetName, Target], *, reveal: bool) -> str:
    """One document per target, each with its name in a comment."""
    documents = [f"# target {name}\n{manifest_yaml(target, reveal=reveal)}" for name, target in targets.items()]
    return "---\n".join(documents)


def as_json(targets: Mapping[TargetName, Target], *, reveal: bool) -> str:
    """The manifest itself of one target, an object by name of several."""
    manifests = {name: manifest(target, reveal=reveal) for name, target in targets.items()}
    chosen = next(iter(manifests.values())) if len(manifests) == 1 else manifests
    return json.dumps(chosen, indent=2, ensure_ascii=False) + "\n"


def as_table(targets: Mapping[TargetName, Target], *, reveal: bool) -> str:
    """The rows of the form."""
    blocks = []
    for name, target in targets.items():
        rows = form(target, reveal=reveal)
        width = max(len(field) for field, _ in rows)
        lines = [f"{name} (AI Gateway, Controls, Settings, OTEL Config)"]
        lines += [f"  {field:<{width}}  {value}" for field, value in rows]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)
