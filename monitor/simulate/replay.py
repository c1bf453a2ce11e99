"""What was recorded, judged and told once more by the present thresholds; and what was told at the time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from monitor.core.arrival import destination_of, proof_key, store_credential
from monitor.core.drift import ConfigMemory
from monitor.core.events import Checked, Event, IncidentChanged, NoticeHandled
from monitor.core.incident import Reason
from monitor.core.inputs import Acknowledged, Input, Ticked
from monitor.core.model import Instant, Seconds, TargetName
from monitor.core.state import Policy, TargetState, Trend
from monitor.core.trace import Route
from monitor.daemon.compose import Deps, silences_of
from monitor.daemon.compose_notifiers import notifiers_of
from monitor.daemon.delivery import Route as Way
from monitor.daemon.dispatcher import Dispatcher
from monitor.daemon.policy import policy_of
from monitor.http import Http
from monitor.redaction import Redactor
from monitor.runner import TargetJournal
from monitor.settings import Loaded, Settings
from monitor.simulate.cast import Cast
from monitor.simulate.chronicle import Chronicle, Summary
from monitor.simulate.clock import VirtualClock, run
from monitor.simulate.history import Moment, judged_canaries, observed
from monitor.simulate.listener import IncidentListener
from monitor.simulate.reader import ChannelReader, Overheard
from monitor.store import Recorded
from monitor.store.snapshot import Snapshot

_TICK: Seconds = 30.0
_AFTERWARDS: Seconds = 60.0
_NOBODY_LOOKED: Seconds = 300.0
"""After so long without a single look there was no daemon, and nobody was reminded of anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came of it: by the present thresholds, and at the time (None where that was not recorded)."""

    since: Instant
    until: Instant
    chronicle: Chronicle
    summary: Summary
    told: "ToldThen"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldThen:
    """What was told at the time. `mentions` None: some of it was recorded before it was recorded who was called."""

    incidents: int = 0
    messages: int = 0
    mentions: int | None = 0
    by_reason: Mapping[Reason, int] = field(default_factory=dict)


def replay(loaded: Loaded, snapshot: Snapshot, targets: Sequence[TargetName], since: Instant) -> Replayed | None:
    """Judge and tell what was recorded since then; None if nothing was."""
    names = frozenset(targets)
    history = [entry for entry in snapshot.history if getattr(entry.event, "target", None) in names]
    looks = [entry for entry in history if isinstance(entry.event, Checked)]
    if not looks:
        return None
    begin = max(since, min(entry.at for entry in looks))
    return run(_replay(loaded, snapshot, history, targets, begin))


async def _replay(
    loaded: Loaded, snapshot: Snapshot, history: Sequence[Recorded], targets: Sequence[TargetName], begin: Instant
) -> Replayed:
    policies = _policies(loaded.settings, snapshot, targets)
    moments = sorted(
        (
            (moment.at, name, moment)
            for name in targets
            for moment in observed(history, name, policies[name])
            if moment.at >= begin
        ),
        key=lambda each: each[0],
    )
    clock = VirtualClock(begin - 1.0)
    cast = Cast(targets, clock)
    await cast.start()
    try:
        theatre = _Theatre(loaded, snapshot, history, policies, cast, clock)
        return await theatre.perform([(name, moment) for _, name, moment in moments], begin)
    finally:
        await cast.stop()


def _policies(settings: Settings, snapshot: Snapshot, targets: Sequence[TargetName]) -> dict[TargetName, Policy]:
    key = snapshot.fingerprint_key or bytes(32)
    return {name: policy_of(settings.targets[name], settings.alerting, key) for name in targets}


class _Theatre:
    """The engine and the dispatcher, without checks and without a schedule."""

    def __init__(
        self,
        loaded: Loaded,
        snapshot: Snapshot,
        history: Sequence[Recorded],
        policies: Mapping[TargetName, Policy],
        cast: Cast,
        clock: VirtualClock,
    ) -> None:
        self._clock = clock
        self._history = history
        self._chronicle = Chronicle()
        settings = loaded.settings
        silences = (*silences_of(settings), *snapshot.state.silences)
        listener = IncidentListener(self._chronicle, silences=lambda: silences, journal=self._journal)
        self._journals = {
            name: TargetJournal(
                _before(name, history, policy, snapshot.state.targets.get(name)),
                policy,
                clock=clock,
                save=_keep_nothing,
                publish=listener.hear,
                changed=lambda _: self._dispatcher.wake(),
            )
            for name, policy in policies.items()
        }
        self._dispatcher = Dispatcher(
            self._ways(cast.settings(lambda _: loaded, ()), cast),
            clock=clock,
            publish=_ignore,
            journals=self._journals.values,
            silences=lambda: silences,
            labels=lambda name: settings.targets[name].labels,
        )

    async def perform(self, moments: Sequence[tuple[TargetName, Moment]], begin: Instant) -> Replayed:
        """Let everything be observed at its moment."""
        self._dispatcher.start()
        for name, moment in moments:
            await self._wait_until(moment.at)
            await self._journals[name].absorb(self._of_now(moment.given, name))
        await self._wait_until(self._clock.now() + _AFTERWARDS)
        still_open = tuple(
            f"{incident.target} {incident.diagnosis.fault}"
            for journal in self._journals.values()
            if (incident := journal.state.incident) is not None
        )
        await self._dispatcher.stop(_AFTERWARDS)
        return Replayed(
            since=begin,
            until=self._clock.now(),
            chronicle=self._chronicle,
            summary=self._chronicle.summarize(still_open),
            told=told_then(self._history, begin),
        )

    async def _wait_until(self, moment: Instant) -> None:
        """Time passes for the engine as it does in a daemon; where there was none, it passes unnoticed."""
        if moment - self._clock.now() < _NOBODY_LOOKED:
            while moment - self._clock.now() > _TICK:
                await self._clock.sleep(_TICK)
                for journal in self._journals.values():
                    await journal.absorb(Ticked(at=self._clock.now()))
        await self._clock.sleep(moment - self._clock.now())

    def _of_now(self, given: Input, name: TargetName) -> Input:
        """Whoever took the incident of then takes the one of now."""
        incident = self._journals[name].state.incident
        if isinstance(given, Acknowledged) and incident is not None:
            return Acknowledged(at=given.at, incident_id=incident.id, by=given.by)
        return given

    def _journal(self, name: TargetName) -> TargetJournal | None:
        return self._journals.get(name)

    def _ways(self, settings: Settings, cast: Cast) -> tuple[Way, ...]:
        reader = ChannelReader(cast.slack.world.slack)
        http = Http(clock=self._clock, transport=cast.network(lambda app: app))
        deps = Deps(clock=self._clock, http=http, redactor=Redactor())
        return tuple(
            Way(
                notifier=Overheard(way.notifier, reader, self._clock, hear=self._chronicle.hear, told=_go_on),
                mention_key=way.mention_key,
            )
            for way in notifiers_of(settings, deps)
        )


def _before(name: TargetName, history: Sequence[Recorded], policy: Policy, now: TargetState | None) -> TargetState:
    """What was known when it begins: that each check has passed, and that each route that ever showed us a span is proven."""
    mine = [entry for entry in history if getattr(entry.event, "target", None) == name]
    canaries = judged_canaries(mine)
    last = max((entry.until for entry in mine), default=0.0)
    routes = {canary.route for canary in canaries if canary.route is not None}
    known = set(now.proofs if now is not None else ())
    proven = known | {proof_key(route, policy.credential) for route in routes} | _stores(known, policy)
    return TargetState(
        target=name,
        trends={check: Trend(ever_passed=True) for check in policy.cadences},
        config=_config_before(mine, now),
        proofs=dict.fromkeys(proven, last),
        honours_traceparent=any(canary.trace_id == canary.sent_id for canary in canaries) or None,
    )


def _stores(known: set[str], policy: Policy) -> set[str]:
    """What has been proven of TrueFoundry's own store, for those who ask now."""
    prefix = proof_key(Route.OWN_STORE, "")
    places = {destination_of(proof.removeprefix(prefix)) for proof in known if proof.startswith(prefix)}
    return {proof_key(Route.OWN_STORE, store_credential(policy.account, place)) for place in places}


def _config_before(mine: Sequence[Recorded], now: TargetState | None) -> ConfigMemory | None:
    """The configuration that is known now is the one of then, unless a change of it was recorded."""
    changed = any(isinstance(entry.event, Checked) and entry.event.config is not None for entry in mine)
    return now.config if now is not None and not changed else None


def told_then(history: Sequence[Recorded], since: Instant) -> ToldThen:
    """What was told at the time: by Slack if it was, else by whoever told most."""
    events = [entry.event for entry in history if entry.at >= since]
    sent = [event for event in events if isinstance(event, NoticeHandled) and event.outcome == "sent"]
    names = sorted({event.notifier for event in sent})
    name = "slack" if "slack" in names else max(names, key=lambda each: _count(sent, each), default="")
    posted = [event for event in sent if event.notifier == name and event.reason is not Reason.EDITED]
    reasons = [event.reason for event in posted]
    calls = [event.mention for event in posted]
    return ToldThen(
        incidents=sum(isinstance(event, IncidentChanged) and event.reason is Reason.OPENED for event in events),
        messages=len(posted),
        mentions=None if None in calls else sum(call is True for call in calls),
        by_reason={reason: reasons.count(reason) for reason in Reason if reason in reasons},
    )


def _count(sent: Sequence[NoticeHandled], name: str) -> int:
    return sum(event.notifier == name for event in sent)


async def _keep_nothing(_state: TargetState) -> None:
    return


async def _go_on() -> None:
    return


def _ignore(_event: Event) -> None:
    return
