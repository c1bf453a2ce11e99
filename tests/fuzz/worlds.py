"""One run of the whole daemon in a world where one answer is changed, and everything that must be true of it afterwards."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from monitor.core.events import Checked
from monitor.core.faults import FAULTS as TABLE
from monitor.core.model import Fault, Severity, UnknownReason
from monitor.sandbox import FAULTS, Host, Variant
from monitor.web.page import status_page
from tests.fuzz.answers import Received, changing
from tests.fuzz.mutations import Mutation
from tests.fuzz.routes import ROUTES
from tests.scenarios.discretion import given_away
from tests.scenarios.house import DEMO, MINUTE, House, house

CHANGED_FOR = 25 * MINUTE
BROKEN = (
    "exporter_disabled",
    "config_drift_key",
    "export_failing",
    "trace_not_created",
    "key_rejected",
    "ingest_failing",
)
"""What is really broken while a read is changed: a fault of each hop between the gateway and Traceloop."""

_FIXED_WITHIN = 40 * MINUTE
_OURS = frozenset({UnknownReason.CRASHED, UnknownReason.TIMEOUT})
_SYMPTOMS = frozenset({Fault.TRACE_MISSING, Fault.TRACE_LATE})
_OF_THE_EXPORT = frozenset({"exporter_disabled", "config_drift_key", "export_failing"})
_MARKUP = ("<!channel>", "<!here>", "<@U0SANDBOX01>", "<script", "<img", "onerror=alert(1)>")


@dataclass(slots=True)
class Run:
    """What was changed, and what came of it. `wrong` are complaints about the monitor: there must be none."""

    route: str
    mutation: Mutation
    broken: str | None = None
    changed: int = 0
    might_say: set[Fault] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.route} {self.mutation}{f' while {self.broken}' if self.broken else ''}"

    @property
    def allowed(self) -> frozenset[Fault]:
        """What may be reported: what the changed answers say of themselves, what is really broken, and that we cannot see."""
        if self.broken is None:
            return frozenset({Fault.BLIND, *self.might_say})
        # Where the cause cannot be read, its symptoms are as true: no trace comes, and on which leg it is lost.
        leg = {Fault.EXPORT_FAILING} if self.broken in _OF_THE_EXPORT else set()
        return frozenset({Fault.BLIND, *self.might_say, *FAULTS[self.broken].named, *_SYMPTOMS, *leg})


async def run(route: str, mutation: Mutation, *, broken: str | None = None, words: str = "") -> Run:
    """Let a healthy daemon settle in, change one answer (and break the world) for a while, then fix everything."""
    done = Run(route=route, mutation=mutation, broken=broken)
    variant = Variant().vary(dict(word.split("=") for word in words.split(",") if word))
    async with house(variant, seed=mutation.seed, one_root=ROUTES[route].host is not Host.SLACK) as home:
        await home.settle_in()
        notified = len(home.story)
        home.put_between(ROUTES[route].host, changing(ROUTES[route].concerns, _noting(done)))
        if broken is not None:
            await home.break_(broken)
        seldom = 0.0 if broken else (ROUTES[route].every + 10) * MINUTE
        await home.advance(max(CHANGED_FOR, seldom))
        done.wrong += _unfair(home, done, notified)
        done.wrong += _showing(home)
        home.put_between(ROUTES[route].host, None)
        await home.fix()
        try:
            await home.until_resolved(_FIXED_WITHIN)
            await home.advance(5 * MINUTE)
        except AssertionError:
            done.wrong.append(f"still open after {_FIXED_WITHIN / MINUTE:.0f} min: {home.incident}")
        done.wrong += _unresolved(home)
        done.wrong += _unfair(home, done, notified)
        done.wrong += _showing(home)
    return done


def _noting(done: Run) -> Callable[[Received], Received]:
    change = done.mutation.changer()

    def noting(received: Received) -> Received:
        changed = change(received)
        done.changed += 1
        route = ROUTES[done.route]
        done.might_say |= route.may_say(changed) if done.broken is None else route.may_say_where_broken(changed)
        return changed

    return noting


def _unfair(home: House, done: Run, notified: int) -> Iterator[str]:
    """Accusations that nothing justifies, and looks that crashed."""
    for reason, fault in home.story[notified:]:
        if Fault(fault) not in done.allowed:
            yield f"{reason}/{fault}"
    if extra := set(home.state.confirmed) - done.allowed:
        yield f"confirmed {sorted(extra)}"
    for event in home.events:
        if isinstance(event, Checked) and event.result.unknown_reason in _OURS:
            yield f"{event.check} {event.result.unknown_reason}: {event.result.summary}"
    may_call = any(TABLE[fault].severity is Severity.CRITICAL for fault in done.allowed - {Fault.CONFIG_DRIFT})
    may_call |= Fault.CONFIG_DRIFT in done.allowed  # of a field that stops the export
    if home.calls and not may_call:
        yield "somebody was called"


def _showing(home: House) -> Iterator[str]:
    """Secrets and foreign markup, in what can be seen right now."""
    now = home.clock.now()
    page = status_page(home.daemon.report(), home.daemon.state, troubles=(), version="1", now=now)
    metrics, _ = home.metrics.render("", home.view())
    recorded = list(home.store._history.values())[-500:]
    if shown := given_away(home.sandbox.world, home.daemon, metrics.decode() + page, home.events, recorded):
        yield f"{len(shown)} secrets are shown"
    seen = [page, *(message.text for message in home.messages)]
    for mark in _MARKUP:
        if any(mark in text for text in seen):
            yield f"{mark} is shown as it came"


def _unresolved(home: House) -> Iterator[str]:
    """Whoever was notified of an incident is notified of its end."""
    target_store = home.daemon.target_store(DEMO)
    assert target_store is not None
    if home.incident is not None:
        return
    for incident in target_store.state.incidents:
        if incident.notified and not any(
            "resolved" in message.text for message in home.messages if incident.id in str(message.blocks)
        ):
            yield f"{incident.id} was never resolved in the channel"
