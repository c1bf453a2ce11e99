"""What is remembered of the gateway's export configuration: what it was when it was read last, and when it changed."""

from dataclasses import dataclass, replace

from monitor.core.address import normal_url
from monitor.core.drift import ENDPOINT, ExportConfig
from monitor.core.model import ForeignInstant, Instant, Seconds
from monitor.core.secret import ABSENT, HIDDEN, Secret

_SKEW: Seconds = 300.0  # between our clock and the control plane's


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSeen:
    """One look at the configuration, and who changed it last as far as the control plane shows it."""

    config: ExportConfig
    updated_at: ForeignInstant | None = None
    updated_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMemory:
    """What is remembered of the configuration between looks, and over restarts.

    `changed_at` dates the present configuration: the later of `updated_at` and the first look that showed it; of the
    very first look `updated_at` alone (None if the control plane does not show it). `credential` is the fingerprint of the key
    that the present look was compared with, `read_at` when that look began.
    """

    seen: ConfigSeen
    changed_at: Instant | None = None
    credential: str = ""
    read_at: Instant | None = None


def unmask_removal(before: ConfigMemory | None, seen: ConfigSeen) -> ConfigSeen:
    """Distinguish headers that were removed from headers that this control plane never shows.

    Whether it leaves out `headers` when it will not show them, or only when there are none, is not documented. A header that
    has been shown once, in whatever form, and is not shown any more, is gone.
    """
    known = before.seen.config.fields if before is not None else {}
    gone = {
        path: ABSENT
        for path, value in seen.config.fields.items()
        if value == HIDDEN and known.get(path, HIDDEN) != HIDDEN
    }
    return replace(seen, config=replace(seen.config, fields={**seen.config.fields, **gone})) if gone else seen


def remember(before: ConfigMemory | None, seen: ConfigSeen, now: Instant) -> ConfigMemory:
    """Remember a look: a change is a difference between two looks."""
    dated = seen.updated_at
    if dated is not None and dated > now + _SKEW:  # what is dated years ahead would be settling until then
        dated = now
    if before is None:
        return ConfigMemory(seen=seen, changed_at=dated)
    if _meaning(before.seen.config) == _meaning(seen.config):
        return ConfigMemory(seen=seen, changed_at=before.changed_at)
    return ConfigMemory(seen=seen, changed_at=max(now, dated or now))


def _meaning(config: ExportConfig) -> tuple[object, ...]:
    """What the gateway is set to, whatever we expect: when our own key changes, the gateway's configuration has not."""
    fields = {
        path: replace(value, equal=None) if isinstance(value, Secret) else value
        for path, value in config.fields.items()
    }
    if isinstance(endpoint := fields.get(ENDPOINT), str):
        fields[ENDPOINT] = normal_url(endpoint)
    return config.off, fields, {rule.meaning for rule in config.filters}
