"""Every command by what it is for: what `--help` says of it, an example, and what its exit codes mean. Imports no command.

The options are beside the commands. This table knows only words, so that `trace-monitor --help` starts quickly.
"""

from collections.abc import Mapping
from dataclasses import dataclass

PROG = "trace-monitor"
BAD_USAGE = "the configuration or the usage is wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command, or a command of a command (`silence add`), which has no group and is not listed by `--help`."""

    help: str
    module: str = ""
    group: str = ""
    about: str = ""
    examples: tuple[str, ...] = ()
    exits: Mapping[int, str]

    @property
    def description(self) -> str:
        """What it does, in sentences: as its own `--help` and the page of commands begin."""
        return " ".join(filter(None, (f"{self.help[0].upper()}{self.help[1:]}.", self.about)))


_DONE = {0: "done", 1: "the daemon does not answer, or refused", 2: BAD_USAGE}
_SEEN = {0: "printed", 1: "neither the daemon nor its state file can be read, or the daemon refused", 2: BAD_USAGE}
_PRINTED = {0: "printed", 2: BAD_USAGE}

COMMANDS: Mapping[str, Command] = {
    "doctor": Command(
        module="doctor",
        group="set up",
        help="check your tenant, token, key and settings, and say what to set",
        about="Asks every service what only your tenant can answer, says how to fix what is missing, and suggests settings. "
        "Sends one canary, one test span, and one request that is refused; waits for the traces.",
        examples=("doctor", "doctor --target prod --record ./recording"),
        exits={0: "everything works", 1: "something is missing, wrong or not known", 2: BAD_USAGE},
    ),
    "config": Command(
        module="config",
        group="set up",
        help="validate, show or describe the configuration",
        examples=("config validate --no-secrets", "config show"),
        exits=_PRINTED,
    ),
    "config validate": Command(
        help="check the configuration and print what it costs in a month",
        examples=("config validate --no-secrets",),
        exits={0: "valid", 2: BAD_USAGE},
    ),
    "config show": Command(
        help="show the effective values and where each comes from, secrets masked",
        examples=("config show",),
        exits=_PRINTED,
    ),
    "config schema": Command(
        help="print the JSON Schema of the configuration file",
        examples=("config schema > schema.json",),
        exits=_PRINTED,
    ),
    "expected": Command(
        module="config",
        group="set up",
        help="print the export configuration that the gateway should have",
        about="Without --reveal a placeholder stands for each secret: never apply output that holds one, it stops the export. With "
        "--reveal the output holds the secrets: run `umask 077` first, and remove the file afterwards.",
        examples=(
            "expected --format table",
            "expected --target prod --reveal > otel.yaml && tfy apply -f otel.yaml && rm otel.yaml",
        ),
        exits=_PRINTED,
    ),
    "notify": Command(
        module="notify",
        group="set up",
        help="send a test message through every notifier",
        examples=("notify test",),
        exits={0: "every notifier delivered it", 1: "one did not, or none is configured", 2: BAD_USAGE},
    ),
    "notify test": Command(
        help="send a test message",
        examples=("notify test",),
        exits={0: "every notifier delivered it", 1: "one did not, or none is configured", 2: BAD_USAGE},
    ),
    "completion": Command(
        module="completion",
        group="set up",
        help="print the completion script of your shell",
        about="Prints a script that completes commands, options and their values. It is made from the commands themselves and asks "
        "nobody anything.",
        examples=("completion bash > /etc/bash_completion.d/trace-monitor", "completion fish | source"),
        exits=_PRINTED,
    ),
    "run": Command(
        module="run",
        group="run",
        help="run the daemon: check, notify, serve page, API and metrics",
        about="Runs until SIGTERM or Ctrl-C.",
        examples=("run --config /etc/trace-monitor/config.yaml",),
        exits={0: "stopped by SIGTERM or Ctrl-C", 1: "crashed; the log has the traceback", 2: BAD_USAGE},
    ),
    "check": Command(
        module="check",
        group="run",
        help="check everything once, without a daemon, and wait for the traces",
        about="Sends a canary and a test span, and waits until they arrive. Nothing is written, nobody is notified.",
        examples=("check", "check --target prod --only config,gateway --format json", "check --timeout 2m"),
        exits={
            0: "every target passes",
            1: "a target fails",
            2: BAD_USAGE,
            3: "no target fails, and at least one is unknown",
        },
    ),
    "healthcheck": Command(
        module="healthcheck",
        group="run",
        help="ask the running daemon whether it is healthy (for a container's HEALTHCHECK)",
        examples=("healthcheck",),
        exits={0: "healthy", 1: "not healthy, or it does not answer"},
    ),
    "status": Command(
        module="operate",
        group="operate",
        help="show each target: its state, since when, silenced, acknowledged, last arrival",
        about="Asks the running daemon. If it does not answer, the state file is read.",
        examples=("status", "status --target prod", "status --format json"),
        exits=_SEEN,
    ),
    "incidents": Command(
        module="operate",
        group="operate",
        help="list the incidents with their times",
        about="Asks the running daemon. If it does not answer, the state file is read.",
        examples=("incidents --open", "incidents --target prod"),
        exits=_SEEN,
    ),
    "ack": Command(
        module="operate",
        group="operate",
        help="acknowledge an incident: no reminders until it gets worse",
        examples=("ack prod-20270115-074800 --by ana",),
        exits=_DONE,
    ),
    "silence": Command(
        module="operate",
        group="operate",
        help="mute notifications for a while",
        examples=("silence add --target prod --for 2h --comment 'moving the gateway'", "silence list"),
        exits=_DONE,
    ),
    "silence add": Command(
        help="start a silence",
        about="Mutes the notifications of the targets that match, never the checks.",
        examples=(
            "silence add --target prod --for 2h --comment 'moving the gateway'",
            "silence add --target 'prod-*' --fault trace_late --for 30m",
        ),
        exits=_DONE,
    ),
    "silence list": Command(help="list the silences", examples=("silence list",), exits=_DONE),
    "silence expire": Command(help="end a silence", examples=("silence expire 1f0c9a3e",), exits=_DONE),
    "explain": Command(
        module="explain",
        group="operate",
        help="explain a fault and what to do about it",
        examples=("explain", "explain config_drift"),
        exits=_PRINTED,
    ),
    "demo": Command(
        module="demo",
        group="try out",
        help="run everything on this machine without credentials, break something and fix it",
        about="Starts stand-ins for the remote services and the real daemon, breaks something, fixes it, and shows what Slack gets.",
        examples=("demo", "demo --fault key_rejected --for 90s", "demo --backend phoenix"),
        exits={0: "ended", 2: "there is no such fault"},
    ),
    "sandbox": Command(
        module="sandbox",
        group="try out",
        help="serve stand-ins for the four remote services on this machine",
        about="Prints a configuration for a monitor of it, and where it can be broken. Needs no credentials.",
        examples=("sandbox", "sandbox --port-base 9900 --dialect off=404", "sandbox --backend phoenix"),
        exits={0: "stopped by SIGTERM or Ctrl-C", 2: "the usage is wrong, or a port is taken"},
    ),
    "simulate": Command(
        module="simulate",
        group="try out",
        help="show who would be notified, of what and when, in a scripted or recorded outage",
        examples=("simulate timeline.yaml", "simulate --from-history --since 30d"),
        exits=_PRINTED,
    ),
}

NAMES = tuple(name for name, command in COMMANDS.items() if command.group)
"""What can be first on a command line."""

_GROUPS = ("set up", "run", "operate", "try out")


def overview() -> str:
    """What `trace-monitor --help` prints."""
    lines = [
        f"usage: {PROG} COMMAND [OPTION]…",
        "",
        "Checks every few minutes that the gateway's traces arrive in Traceloop or Phoenix, says which hop lost them, and notifies.",
    ]
    for group in _GROUPS:
        lines += ["", f"{group}:"]
        lines += [f"  {name:<12} {command.help}" for name, command in COMMANDS.items() if command.group == group]
    return "\n".join(
        [
            *lines,
            "",
            f"example: {PROG} demo",
            "exit codes: 0 done · 1 failed · 2 wrong usage or configuration · 3 not known (check)",
            f"{PROG} COMMAND --help says more. {PROG} --version prints the version.",
            "",
        ]
    )


def more_about(name: str) -> str:
    """The end of a command's `--help`: examples, and exit codes."""
    command = COMMANDS[name]
    examples = [f"  {PROG} {example}" for example in command.examples]
    exits = [f"  {code}  {meaning}" for code, meaning in command.exits.items()]
    title = "example:" if len(examples) == 1 else "examples:"
    return "\n".join(["", title, *examples, "", "exit codes:", *exits, ""])
