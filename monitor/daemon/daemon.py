"""The daemon: restore what was remembered, check, notify, serve, and stop in order."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from monitor.core.events import Event
from monitor.core.inputs import MemoryLost, Removed, Ticked
from monitor.core.model import CheckName, Instant, Seconds, TargetName
from monitor.core.notify import owes
from monitor.core.present import bring_to_present
from monitor.core.silence import Silence
from monitor.core.state import Policy, State, TargetState
from monitor.daemon.compose import Assemble, Deps, Parts, assemble, secrets_of
from monitor.daemon.delivery import NotifierHealth
from monitor.daemon.dispatcher import Dispatcher
from monitor.daemon.policy import policy_of, without_checks
from monitor.daemon.status import describe, describe_incident
from monitor.daemon.targets import TargetWatch
from monitor.ports import Notifier
from monitor.runner import LiveTargetStore
from monitor.schedule import GridSchedule
from monitor.settings import SecretSource, Settings
from monitor.settings.schema import all_secrets
from monitor.store import Store

_log = logging.getLogger(__name__)

_TICK: Seconds = 30.0
_REFRESH: Seconds = 60.0
_A_STEP: Seconds = 1.0
_UNDER_WAY_FOR: Seconds = 600.0
_FORGET_REMOVED_AFTER: Seconds = 24 * 3600.0

Listener = Callable[[Event], None]
"""Is called with every event: metrics, log lines, the history."""


class Daemon:
    """Every target at work, and every notifier kept up to date."""

    def __init__(
        self,
        settings: Settings,
        deps: Deps,
        *,
        store: Store,
        schedule: GridSchedule,
        notifiers: Iterable[Notifier],
        silences: tuple[Silence, ...] = (),
        assemble: Assemble = assemble,
    ) -> None:
        self.settings = settings
        self._deps = deps
        self._clock = deps.clock
        self._store = store
        self._schedule = schedule
        self._assemble = assemble
        self._configured_silences = silences
        self._listeners: list[Listener] = []
        self._failed_listeners: set[Listener] = set()
        self._target_stores: dict[TargetName, LiveTargetStore] = {}
        self._watches: dict[TargetName, TargetWatch] = {}
        self._sources: Mapping[TargetName, tuple[SecretSource, ...]] = {}
        self._secrets: dict[TargetName, tuple[str, ...]] = {}
        self._silences: tuple[Silence, ...] = ()
        self._dispatcher = Dispatcher(
            notifiers,
            clock=deps.clock,
            publish=self.publish,
            target_stores=lambda: tuple(self._target_stores.values()),
            silences=lambda: self.silences,
            labels=self._labels,
        )
        self._ahead: Seconds = 0.0  # of the monotonic clock, the wall clock is
        self._set_back_at: Seconds | None = None
        self.ready = False
        self.draining = False

    # --- what others may ask

    @property
    def silences(self) -> tuple[Silence, ...]:
        """Those of the configuration and those that were added since."""
        return (*self._configured_silences, *self._silences)

    @property
    def state(self) -> State:
        """Everything remembered, as one value."""
        targets = {name: target_store.state for name, target_store in self._target_stores.items()}
        return State(targets=targets, silences=self.silences)

    @property
    def policies(self) -> Mapping[TargetName, Policy]:
        """The thresholds of each target."""
        return {name: target_store.policy for name, target_store in self._target_stores.items()}

    @property
    def notifiers(self) -> Mapping[str, NotifierHealth]:
        """How each notifier does."""
        return self._dispatcher.health

    @property
    def target_stores(self) -> tuple[LiveTargetStore, ...]:
        """The memory of every target."""
        return tuple(self._target_stores.values())

    def target_store(self, target: TargetName) -> LiveTargetStore | None:
        """The memory of one target."""
        return self._target_stores.get(target)

    def report(self) -> dict[str, Any]:
        """The status object, with the open incidents."""
        now = self._clock.now()
        states = {
            str(name): (target_store.state, target_store.policy)
            for name, target_store in self._target_stores.items()
            if target_store.state.removed_at is None
        }
        return {**describe(states, now, live=True), "incidents": self.incidents(open_only=True)}

    def incidents(self, *, open_only: bool) -> list[dict[str, Any]]:
        """The incidents remembered, newest first."""
        found = [incident for target_store in self._target_stores.values() for incident in target_store.state.incidents]
        chosen = [incident for incident in found if incident.open or not open_only]
        return [describe_incident(incident) for incident in sorted(chosen, key=lambda one: -one.opened_at)]

    def listen(self, listener: Listener) -> None:
        """Call it with every event from now on."""
        self._listeners.append(listener)

    def publish(self, event: Event) -> None:
        """Call every listener; one that fails is reported once and disturbs nobody."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - a listener must not stop the checks
                if listener not in self._failed_listeners:
                    self._failed_listeners.add(listener)
                    _log.exception("a listener failed on %s", type(event).__name__)

    # --- life

    async def start(self) -> None:
        """Restore, then begin to check and to notify."""
        remembered = await self._store.load()
        now = self._clock.now()
        self._ahead = now - self._clock.monotonic()
        self._silences = remembered.silences
        parts = self._build(self.settings)
        self._sources = _sources_of(self.settings)
        for name in self.settings.targets:
            state = remembered.targets.get(name) or TargetState(target=name)
            self._add(name, bring_to_present(state, now), parts[name])
        for name, state in remembered.targets.items():
            if name not in self.settings.targets:
                await self._retire(name, bring_to_present(state, now))
        if self._store.loss is not None and self._target_stores:
            first = next(iter(self._target_stores.values()))
            given = MemoryLost(at=now, what=self._store.loss)
            await first.apply(given, durable=True)
        self._schedule.every("tick", _TICK, self._tick)
        self._schedule.every("refresh", _REFRESH, self._dispatcher.refresh)
        for watch in self._watches.values():
            watch.begin()
        self._schedule.start()
        self._dispatcher.start()
        self.ready = True

    async def apply(self, settings: Settings, notifiers: Iterable[Notifier], silences: tuple[Silence, ...]) -> None:
        """Go on with other settings. What was remembered of a target stays; the incident of one that is gone is closed.

        Everything is built first, and then exchanged without a pause: what cannot be built changes nothing.
        """
        same = settings.alerting == self.settings.alerting
        kept = {name for name, target in settings.targets.items() if same and target == self.settings.targets.get(name)}
        parts = self._build(settings, without=frozenset(kept & self._watches.keys()))
        self.settings, self._configured_silences = settings, silences
        self._sources = _sources_of(settings)
        for name in self._watches.keys() - kept:
            for job in self._watches.pop(name).jobs():
                self._schedule.drop(job)
        for name, built in parts.items():
            known = self._target_stores.get(name)
            self._add(name, known.state if known is not None else TargetState(target=name), built)
            self._watches[name].begin()
        for name, target_store in list(self._target_stores.items()):
            if name not in settings.targets and target_store.state.removed_at is None:
                await target_store.apply(Removed(at=self._clock.now()), durable=True)
        await self._dispatcher.exchange(notifiers)

    async def notify_by(self, notifiers: Iterable[Notifier]) -> None:
        """From now on notify by these: each is brought up to date first."""
        await self._dispatcher.exchange(notifiers)

    def run_now(self, target: TargetName) -> tuple[CheckName, ...]:
        """Have every check of a target look at once, and deliver once more what was refused; which checks."""
        self._dispatcher.retry()
        watch = self._watches[target]
        for job in watch.jobs():
            self._schedule.soon(job)
        return tuple(check for check in CheckName if watch.target_store.policy.enabled(check))

    def next_runs(self, target: TargetName) -> Mapping[CheckName, Instant]:
        """When each check of a target runs next."""
        watch, now = self._watches.get(target), self._clock.now()
        return {check: now + wait for check, wait in watch.next_runs().items()} if watch is not None else {}

    async def set_silences(self, silences: tuple[Silence, ...]) -> None:
        """Those that were added at run time; durable when this returns, or as soon as the state file can be written again."""
        self._silences = silences
        await self._store.save_silences(silences)
        self._dispatcher.wake()

    @property
    def added_silences(self) -> tuple[Silence, ...]:
        """Those that were added at run time."""
        return self._silences

    def _build(self, settings: Settings, *, without: frozenset[TargetName] = frozenset()) -> Mapping[TargetName, Parts]:
        """What is needed to look at the targets; none of it looks yet."""
        self._deps.redactor.register(*secrets_of(settings))
        key = self._store.fingerprint_key()
        return {
            name: self._assemble(name, target, settings, self._deps, key=key, publish=self.publish)
            for name, target in settings.targets.items()
            if name not in without
        }

    def _add(self, name: TargetName, state: TargetState, parts: Parts) -> None:
        target, key = self.settings.targets[name], self._store.fingerprint_key()
        target_store = self._keep_target_store(name, state, policy_of(target, self.settings.alerting, key))
        self._watches[name] = TargetWatch(
            target_store,
            parts.checks,
            parts.arrival,
            parts.aside,
            schedule=self._schedule,
            clock=self._clock,
            follow=partial(self._follow_secrets, name),
        )

    def _follow_secrets(self, name: TargetName) -> None:
        """A secret that has been rotated is what is judged by, and never shown, from the first request that carries it."""
        target, target_store = self.settings.targets.get(name), self._target_stores[name]
        values = tuple(source.get() for source in self._sources.get(name, ()))
        if target is not None and values != self._secrets.get(name):
            self._secrets[name] = values
            self._deps.redactor.register(*values)
            target_store.policy = policy_of(target, self.settings.alerting, self._store.fingerprint_key())

    def _keep_target_store(self, name: TargetName, state: TargetState, policy: Policy) -> LiveTargetStore:
        """The memory of a target, the very one where there is one: a look that is under way still reports to it."""
        target_store = self._target_stores.get(name)
        if target_store is None or target_store.state.removed_at is not None:
            target_store = self._target_stores[name] = self._make_target_store(replace(state, removed_at=None), policy)
        target_store.policy = policy
        return target_store

    def _make_target_store(self, state: TargetState, policy: Policy) -> LiveTargetStore:
        return LiveTargetStore(
            state,
            policy,
            clock=self._clock,
            save=self._store.save,
            publish=self.publish,
            changed=self._changed,
            record=self._store.record,
        )

    async def _retire(self, name: TargetName, state: TargetState) -> None:
        """A target that is no longer monitored: its open incident is closed and notified, and then it is forgotten."""
        target_store = self._make_target_store(state, without_checks(self.settings.alerting))
        self._target_stores[name] = target_store
        if state.removed_at is None:
            await target_store.apply(Removed(at=self._clock.now()), durable=True)

    async def stop(self, grace: Seconds) -> None:
        """Let what runs end, deliver once more, write everything down."""
        self.draining = True
        began = self._clock.monotonic()
        await self._schedule.stop(grace / 2)
        left = max(1.0, grace - (self._clock.monotonic() - began) - 1.0)
        await self._dispatcher.stop(left / 2)
        await asyncio.gather(*(target_store.commit() for target_store in self._target_stores.values()))

    # --- what keeps going

    def _changed(self, state: TargetState) -> None:
        watch = self._watches.get(state.target)
        if watch is not None and not self.draining:
            watch.replan(state)
        self._dispatcher.wake()

    async def _tick(self) -> None:
        """Time passes: follow rotated secrets, forget what is old."""
        now = self._clock.now()
        set_back = self._was_set_back(now)
        key = self._store.fingerprint_key()
        self._deps.redactor.register(*secrets_of(self.settings))
        for name, target_store in list(self._target_stores.items()):
            target = self.settings.targets.get(name)
            if target is not None:
                target_store.policy = policy_of(target, self.settings.alerting, key)
            elif self._may_forget(target_store.state, now):
                del self._target_stores[name]
                await self._store.forget(name)
                continue
            await target_store.apply(Ticked(at=now, set_back=set_back))

    def _was_set_back(self, now: Instant) -> bool:
        """Whether the wall clock was, recently: what was under way then reports moments that still lie ahead."""
        monotonic = self._clock.monotonic()
        ahead, self._ahead = self._ahead, now - monotonic
        if self._ahead < ahead - _A_STEP:
            _log.warning("the clock was set back by %.0f s", ahead - self._ahead)
            self._set_back_at = monotonic
        return self._set_back_at is not None and monotonic - self._set_back_at <= _UNDER_WAY_FOR

    def _may_forget(self, state: TargetState, now: Instant) -> bool:
        """Whether a target was removed long ago, and whoever was notified of its incident was notified of the end."""
        removed_at = state.removed_at
        return removed_at is not None and now - removed_at > _FORGET_REMOVED_AFTER and not owes(state, self.notifiers)

    def _labels(self, name: TargetName) -> Mapping[str, str]:
        target = self.settings.targets.get(name)
        return target.labels if target is not None else {}


def _sources_of(settings: Settings) -> Mapping[TargetName, tuple[SecretSource, ...]]:
    """Where the secrets of each target are read; found once, read before each look."""
    return {name: all_secrets(target) for name, target in settings.targets.items()}
