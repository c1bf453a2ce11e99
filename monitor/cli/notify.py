"""`trace-monitor notify test`: proof that a message would arrive."""

import argparse
import asyncio
from collections.abc import Iterator, Mapping

from monitor.cli.commands import COMMANDS
from monitor.cli.common import FAILED, OK, add_config, prepare, print_result, read_configuration, say
from monitor.core.model import Severity
from monitor.daemon.compose_notifiers import places_of, slack_bot
from monitor.daemon.heartbeat import send_test
from monitor.notifiers.slack import SlackBot
from monitor.ports import Clock, Notifier, Undeliverable
from monitor.settings import Settings
from monitor.settings.values import called

TEXT = "This is a test of the Gateway Trace Monitor: a message about the gateway's traces would arrive here."


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `notify test`."""
    parser = subparsers.add_parser("notify")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    test = commands.add_parser("test", help=COMMANDS["notify test"].help)
    add_config(test)
    test.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Send one test notice by every notifier; 1 if any of them fails."""
    loaded = read_configuration(arguments)
    deps = prepare(loaded)
    places = places_of(loaded.settings, deps)
    if not places:
        say("no notifier is configured: set alerting.slack, alerting.alertmanager or alerting.webhook")
        return FAILED
    code = asyncio.run(_test(places, deps.clock))
    slack = loaded.settings.alerting.slack
    bot = slack_bot(loaded.settings, deps)
    if bot is not None and slack.pressable and slack.app_token is not None:
        code = max(code, asyncio.run(_test_buttons(bot, slack.app_token.get())))
    for line in called_by(loaded.settings):
        print_result(line)
    return code


def called_by(settings: Settings) -> Iterator[str]:
    """Whom Slack calls for each target when an incident of it turns critical: the test itself calls nobody."""
    slack = settings.alerting.slack
    if slack.bot_token is None and slack.webhook_url is None:
        return
    names: dict[str, list[str]] = {}
    for name, target in settings.targets.items():
        whom = called(target.alerting.mention) if target.alerting.max_severity is Severity.CRITICAL else "nobody"
        names.setdefault(whom, []).append(name)
    for whom, targets in names.items():
        yield f"a critical incident of {', '.join(targets)} calls {whom}"


async def _test_buttons(bot: SlackBot, app_token: str) -> int:
    """Whether presses of buttons would arrive."""
    try:
        await bot.try_app_token(app_token)
    except Undeliverable as error:
        print_result(f"slack buttons: would not work: {error}")
        return FAILED
    print_result("slack buttons: the app token is accepted")
    return OK


async def _test(places: Mapping[str, Notifier], clock: Clock) -> int:
    """One after the other, each said as soon as it is known."""
    failed = False
    for name, notifier in places.items():
        _, problem = await send_test(notifier, TEXT, clock)
        failed = failed or bool(problem)
        print_result(f"{name}: {f'not delivered: {problem}' if problem else 'delivered'}")
        notifier.close()
    return FAILED if failed else OK
