"""Write what Slack shows of every fault into `tests/golden/slack`: opened, changed, resolved. `make golden`.

The whole daemon on a fake clock against the sandbox, with the settings of a usual installation. Each file holds the messages of one
incident in the order in which they were posted, as people see them: dates as their fallback, buttons as links. A person reads the
difference before it is committed; `tests/golden/test_golden.py` holds the files to what is said.
"""

import asyncio
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from monitor.core.faults import FAULTS
from monitor.core.model import CheckName, Component, Fault
from monitor.ports import TargetStore
from monitor.runner import run_check
from monitor.sandbox import FAULTS as SANDBOX_FAULTS
from monitor.sandbox import Variant
from monitor.sandbox.slack import Message
from monitor.sandbox.traffic import NO_TRAFFIC, Traffic
from tests.scenarios.house import HOUR, MINUTE, House, house

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "golden" / "slack"
STORIES = tuple(fault.value for fault in Fault)

_WAYS: Mapping[str, str] = {"blind": "control_plane_forbidden", "volume_loss": "traffic_sampled"}
_VARIANTS: Mapping[str, Mapping[str, str]] = {"wrong_environment": {"header_values": "masked"}}
_OTHER: Mapping[Component, str] = dict.fromkeys(
    (Component.CONFIG, Component.EXPORT, Component.TRACELOOP), "provider_failing"
)
"""What breaks meanwhile and outlasts the fault; else a header that nobody expects."""

_SETTINGS: Mapping[str, Any] = {
    "server": {"external_url": "https://trace-monitor.example.com", "admin_token": "a-token-of-the-operators"},
}
_COUNTED: Mapping[str, Any] = {"targets": {"demo": {"checks": {"volume": {"enabled": True}}}}}
_DATE = re.compile(r"<!date\^\d+\^[^|]*\|([^>]*)>")
_LINK = re.compile(r"<(https?://[^|>]*)\|([^>]*)>")


async def notices(fault: str) -> str:
    """The incident of one fault, from its opening to its end; something else breaks meanwhile, and outlasts it."""
    way = _WAYS.get(fault, fault)
    needs_content = SANDBOX_FAULTS[way].needs_content if way in SANDBOX_FAULTS else False
    other = _OTHER.get(FAULTS[Fault(fault)].component, "config_drift_header")
    variant = Variant().vary(_VARIANTS.get(fault, {}))
    counted = fault == Fault.VOLUME_LOSS
    more, traffic = (_COUNTED, Traffic(2.0)) if counted else ({}, NO_TRAFFIC)
    async with house(variant, content=needs_content, traffic=traffic, **_SETTINGS, **more) as home:
        await home.settle_in()
        if counted:
            await home.advance(30 * MINUTE)  # a window that is healthy shows that traces can be counted
        await _break(home, way)
        await home.until(lambda: home.roots, limit=2 * HOUR)
        # A loss is first seen as late: until the incident bears its final name.
        await home.until(lambda: home.incident is not None and home.incident.diagnosis.fault == fault, limit=2 * HOUR)
        await home.advance(5.0)
        first = show(home.roots[0])
        await home.break_(other)
        await home.advance(6 * MINUTE)
        await _fix(home, way)
        await home.advance(HOUR if counted else 20 * MINUTE)
        await home.fix()
        await home.until_resolved(limit=2 * HOUR)
        await home.advance(10 * MINUTE)
        shots = [
            ("In the channel", first),
            *(
                ("In its thread, and in the channel" if reply.broadcast else "In its thread", show(reply))
                for reply in home.sandbox.world.slack.thread(home.roots[0])
            ),
            ("In the channel, as edited at the end", show(home.roots[0])),
        ]
    return "\n\n".join(f"=== {where}\n\n{text}" for where, text in shots) + "\n"


class _Crashing:
    """A check with a bug."""

    name = CheckName.CONTROL

    async def look(self, target_store: TargetStore) -> None:
        """What the guard around every check reports."""
        raise KeyError(target_store.state.target)


async def _break(home: House, way: str) -> None:
    if way in SANDBOX_FAULTS:
        await home.break_(way)
        return
    for _ in range(2):  # no fault of a remote service makes a check crash
        await run_check(_Crashing(), next(iter(home.daemon.target_stores)), home.clock)
        await home.advance(1.0)


async def _fix(home: House, way: str) -> None:
    if way in SANDBOX_FAULTS:
        await home.fix(way)


# --- a message as people see it --------------------------------------------------------------------------------------


def show(message: Message) -> str:
    """The blocks of a message as text."""
    return "\n\n".join(filter(None, map(_show_block, message.blocks)))


def _show_block(block: Any) -> str:  # noqa: ANN401 - whatever Slack was sent
    match block["type"]:
        case "section":
            return _plain(block["text"]["text"])
        case "actions":
            return "  ".join(f"[{one['text']['text']}]({one['url']})" for one in block["elements"])
        case "context":
            return "\n".join(f"({_plain(one['text'])})" for one in block["elements"])
    raise ValueError(f"no way to show a block of type {block['type']}")


def _plain(text: str) -> str:
    return _LINK.sub(r"\2", _DATE.sub(r"\1", text)).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _written(fault: str) -> str:
    return asyncio.run(notices(fault))


def stories() -> Iterator[tuple[str, str]]:
    """Every story, as many at once as there are processors."""
    with ProcessPoolExecutor(initializer=logging.disable, initargs=(logging.CRITICAL,)) as pool:
        yield from zip(STORIES, pool.map(_written, STORIES), strict=True)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in stories():
        (FOLDER / f"{name}.txt").write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(STORIES)} files written: read the difference with git diff tests/golden\n")
