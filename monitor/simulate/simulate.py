"""Let a timeline happen, by the operator's thresholds or the built-in ones."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from monitor.core.inputs import Acknowledged, Removed, Ticked
from monitor.core.model import CheckName, Fault, Instant, Seconds, TargetName
from monitor.core.silence import Silence
from monitor.daemon.compose import silences_of
from monitor.daemon.policy import policy_of
from monitor.sandbox import BackendKind, Credentials
from monitor.sandbox.credentials import MODEL
from monitor.settings import ConfigError, Loaded, Problem, Settings, parse
from monitor.settings.document import Node
from monitor.simulate.effects import TRACE_OUTCOMES, parse_finding
from monitor.simulate.simulated_target import FINGERPRINT_KEY, SimulatedTarget
from monitor.simulate.simulation import Report, Simulation, Target, matching
from monitor.simulate.slack import Slack
from monitor.simulate.timeline import Step, Timeline

MENTION = "<!subteam^S0ONCALL>"
"""Who is called where the configuration calls nobody."""

PROD = TargetName("prod")
CHANNEL = "C0SIMULATED"
TICK: Seconds = 30.0

Compose = Callable[[Sequence[Node]], Loaded]
"""The operator's configuration under settings that outrank it, the strongest first. Raises ConfigError."""


def simulate(timeline: Timeline, compose: Compose | None = None) -> Report:
    """Simulate a timeline. Raises ConfigError."""
    names = timeline.targets or (PROD,)
    if compose is not None:
        known = tuple(compose(_over(timeline)).settings.targets)
        foreign = [name for name in timeline.targets if name not in known]
        if foreign:
            what = f"the configuration has no `{foreign[0]}`; it has: {', '.join(known)}"
            raise ConfigError([Problem(place="timeline", path=("targets",), what=what)])
        names = timeline.targets or known
    for step in timeline.steps:
        if not matching(names, step.target):
            what = f"concerns none of the targets: {', '.join(names)}"
            raise ConfigError([Problem(place=step.place, path=("target",), what=what)])
    simulator = _Simulator(timeline, [*_settings_in_order(timeline, compose, names)])
    return Report(start=timeline.start, simulation=simulator.run())


class _Simulator:
    """Time moves to whatever is next: a step, a look, a delivery, a tick. While the daemon is down only steps happen."""

    def __init__(self, timeline: Timeline, settings: Sequence[Settings]) -> None:
        self._timeline = timeline
        self._now = timeline.start - timeline.warm_up
        first, *later = settings
        self._later = iter(later)
        self._configured, self._added = silences_of(first), tuple[Silence, ...]()
        self._simulation = Simulation(targets_of(first), Slack(first.server.external_url), self._configured)
        self._targets = {
            name: SimulatedTarget(self._simulation, name, first.targets[name], self._now)
            for name in self._simulation.targets
        }
        self._down_for: Seconds = 0.0
        self._down_until: Instant | None = None

    def run(self) -> Simulation:
        """From the warm-up to the end."""
        steps = list(self._timeline.steps)
        start, end = self._timeline.start, self._timeline.start + self._timeline.until
        tick = self._now
        while True:
            moments = [end, *(start + step.at for step in steps[:1])]
            if self._down_until is not None:
                moments.append(self._down_until)
            else:
                looks = [self._targets[name].next_look(self._now) for name in self._watched()]
                moments += [tick, self._simulation.next_delivery(self._now), *looks]
            self._now = max(self._now, min(moments))
            if self._now >= end:
                return self._simulation
            while steps and start + steps[0].at <= self._now:
                self._do(steps.pop(0))
            if self._down_until is not None:
                if self._now < self._down_until:
                    continue
                self._start_again()
            for name in self._watched():
                self._targets[name].look(self._now)
            if self._now >= tick:
                tick = self._now + TICK
                for name in self._simulation.states:
                    self._simulation.apply(name, Ticked(at=self._now), self._now)
            self._deliver()

    def _watched(self) -> list[TargetName]:
        return [name for name, state in self._simulation.states.items() if state.removed_at is None]

    def _deliver(self) -> None:
        self._simulation.deliver(self._now)
        if self._simulation.died:
            self._simulation.died = False
            self._simulation.note(self._now, "the daemon is killed: what it has just said is not written down")
            self._down_until = self._now + self._down_for

    def _start_again(self) -> None:
        self._down_until = None
        for target in self._targets.values():
            target.begin()
        self._simulation.restarted(self._now)
        self._simulation.note(self._now, "the daemon is started again")

    # --- what happens

    def _do(self, step: Step) -> None:  # noqa: C901, PLR0912 - one case per verb
        now, simulation = self._now, self._simulation
        simulation.note(now, step.words if step.target == "*" else f"{step.target}: {step.words}")
        targets = [self._targets[name] for name in matching(list(self._targets), step.target)]
        match step.entry.verb:
            case "outage":
                for target in targets:
                    target.set_broken(step.what, now, step.entry.delay, broken=not step.ends)
            case "slack" if step.ends:
                simulation.slack.troubles.remove(step.what)
            case "slack":
                simulation.slack.troubles.append(step.what)
            case "arrival":
                for target in targets:
                    target.trace_outcome = TRACE_OUTCOMES["arrived" if step.ends else step.what]
            case "restart" if step.what == "killed_after_sending":
                self._down_for, simulation.dies_after_sending = step.entry.down, True
            case "restart":
                self._down_until = now + step.entry.down
            case "silence":
                self._silence(step)
            case "ack":
                self._acknowledge(step)
            case "reload" | "remove":
                self._load(next(self._later), step)
            case _:
                check = CheckName(step.entry.verb)
                result = None if step.ends else parse_finding(check, step.what)
                for target in targets:
                    target.scripted.pop(check, None)
                    if result is not None:
                        target.scripted[check] = (result, step.entry.looks)

    def _silence(self, step: Step) -> None:
        if self._down_until is not None:
            self._simulation.note(self._now, "the daemon is down: nobody takes the silence")
            return
        silence = step.entry.silence
        added = Silence(
            id=f"added-{len(self._added) + 1}",
            target=step.target,
            fault=Fault(silence.fault) if silence.fault else None,
            begins_at=self._now,
            ends_at=self._now + step.length,
            comment=silence.comment,
            author=silence.author,
        )
        self._added = (*self._added, added)
        self._simulation.silences = (*self._configured, *self._added)

    def _acknowledge(self, step: Step) -> None:
        running = self._down_until is None
        names = [
            name
            for name in matching(self._watched(), step.target)
            if self._simulation.states[name].incident is not None
        ]
        for name in names if running else ():
            self._simulation.apply(name, Acknowledged(at=self._now, incident_id="", by=step.what), self._now)
        if not names or not running:
            self._simulation.note(self._now, "nothing is open that could be acknowledged")

    def _load(self, settings: Settings, step: Step) -> None:
        """Other settings: every check looks at once, as after a reload; a target that is gone is reported."""
        before = self._simulation.targets
        self._configured = silences_of(settings)
        self._simulation.silences = (*self._configured, *self._added)
        self._simulation.targets = {**before, **targets_of(settings)}
        if step.entry.verb == "remove":
            for name in matching(self._watched(), step.target):
                self._simulation.apply(name, Removed(at=self._now), self._now)
        for name in self._watched():
            self._targets[name].settings = settings.targets[name]
            if self._simulation.targets[name] != before[name]:
                self._targets[name].begin()


# --- settings --------------------------------------------------------------------------------------------------------


def targets_of(settings: Settings, key: bytes = FINGERPRINT_KEY) -> dict[TargetName, Target]:
    """How each target is judged, and where its notices go."""
    slack = settings.alerting.slack
    by_hook = slack.webhook_url is not None
    return {
        TargetName(name): Target(
            policy=policy_of(target, settings.alerting, key),
            channel=None if by_hook else target.alerting.channel or slack.channel or CHANNEL,
            mention=MENTION if target.alerting.mention is None else target.alerting.mention,
            labels=target.labels,
        )
        for name, target in settings.targets.items()
    }


def _over(timeline: Timeline) -> tuple[Node, ...]:
    return () if timeline.settings is None else (timeline.settings,)


def _settings_in_order(timeline: Timeline, compose: Compose | None, names: Sequence[TargetName]) -> Iterator[Settings]:
    """The settings at the beginning and after each change. Raises ConfigError.

    The operator's thresholds, or the built-in ones; addresses, secrets and what is expected are the simulation's own.
    """
    content = any(step.entry.outage.startswith("content_missing") for step in timeline.steps)
    facts, with_phoenix = (
        json.dumps(
            {
                "targets": {
                    name: {**_FACTS, **backend, "expected": {**_EXPECTED, "exclude_request_data": not content}}
                    for name in names
                },
                "alerting": {"slack": {"bot_token": "xoxb-simulated", "channel": CHANNEL}},
            }
        )
        for backend in (_TRACELOOP, _PHOENIX)
    )
    made_up, before_phoenix = (
        parse(each, {}, Path.cwd(), name="simulation").settings.targets for each in (facts, with_phoenix)
    )
    over, left = _over(timeline), set(names)
    for step in (None, *timeline.steps):
        if step is not None and step.settings is not None:
            over = (step.settings, *over)
        elif step is not None and step.entry.verb == "remove":
            left -= set(matching(names, step.target))
        elif step is not None:
            continue
        loaded = parse(facts, {}, Path.cwd(), over=over, name="simulation") if compose is None else compose(over)
        targets = {name: target for name, target in loaded.settings.targets.items() if name in left}
        for name, target in targets.items():
            made = (made_up if target.phoenix is None else before_phoenix)[name]
            parts = {part: getattr(made, part) for part in ("gateway", "traceloop", "phoenix", "expected")}
            parts["control_plane"] = target.control_plane and made.control_plane
            targets[name] = target.model_copy(update=parts)
        yield loaded.settings.model_copy(update={"targets": targets})


_FACTS = {
    "control_plane": {"url": "https://control-plane.example", "token": "simulated-token"},
    "gateway": {"url": "https://gateway.example", "token": "simulated-token", "model": MODEL},
}
_EXPECTED = {"resource_attributes": {"deployment.environment": "simulated"}}
# The keys are the sandbox's, whose drifts change them.
_TRACELOOP = {"traceloop": {"api_key": Credentials().key, "environment": "prd"}}
_PHOENIX = {"phoenix": {"url": "https://phoenix.example", "api_key": Credentials.of(BackendKind.PHOENIX).key}}
