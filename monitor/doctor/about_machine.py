"""What settles the questions about what is around the monitor: its network, clock, credentials, notifiers, and what it costs."""

from collections.abc import Mapping
from datetime import UTC, datetime

from monitor.core.canary import Outcome
from monitor.core.model import Instant, Seconds, Service
from monitor.core.state import CERTIFICATE_SOON, DAY, TOKEN_SOON
from monitor.daemon.status import token_expiries
from monitor.doctor.questions import NAMES, Result, skip
from monitor.doctor.snapshot import Answered, Snapshot
from monitor.ports import Undeliverable
from monitor.settings.coherence import FREE_REQUESTS, monthly_cost

_WATCHED = (Service.CONTROL_PLANE, Service.GATEWAY, Service.TRACELOOP, Service.PHOENIX, Service.OTLP)
_MUCH: Seconds = 60.0


def reachable(seen: Snapshot) -> Result:
    traffic = seen.traffic
    silent = {each: traffic.failures[each] for each in _WATCHED if each in traffic.failures.keys() - traffic.answered}
    kinds = {each.value: kind for each, kind in silent.items()}
    if silent and not traffic.answered & set(_WATCHED):
        return Result("nobody", shown=kinds)
    if silent:
        named = ", ".join(f"{NAMES[each]} ({kind})" for each, kind in silent.items())
        return Result("not all", {"silent": named}, shown=kinds)
    return Result("all") if traffic.answered else skip(seen.unfinished)


def blocked(seen: Snapshot) -> Result:
    services = ", ".join(NAMES[each] for each in _WATCHED if each in seen.traffic.blocked)
    return Result("yes", {"services": services}) if services else Result("no")


def proxy(seen: Snapshot) -> Result:
    if not seen.proxies:
        return Result("none")
    ours = seen.settings.http.proxy is not None
    source = "http.proxy" if ours else "the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY)"
    named = "; ".join(f"{NAMES[service]} through {place}" for service, place in seen.proxies.items())
    places = {service.value: place for service, place in seen.proxies.items()}
    return Result("used", {"source": source, "proxies": named}, shown=places)


def clock(seen: Snapshot) -> Result:
    skews = {each: skew for each, skew in seen.traffic.skews.items() if each in _WATCHED}
    if not skews:
        return Result("not told")
    service, skew = max(skews.items(), key=lambda item: abs(item[1]))
    evidence = {each.value: round(value) for each, value in skews.items()}
    if abs(skew) <= _MUCH:
        return Result("right", {"seconds": max(1.0, abs(skew))}, shown=evidence)
    direction = "behind" if skew > 0 else "ahead of"
    return Result("wrong", {"seconds": abs(skew), "direction": direction, "service": NAMES[service]}, shown=evidence)


def certificates(seen: Snapshot) -> Result:
    called = seen.policy.backend.name_in
    until = {called(NAMES[each]): at for each, at in seen.traffic.certificates.items() if each in _WATCHED}
    return _first_to_expire(until, seen.now, CERTIFICATE_SOON) if until else Result("not seen")


def tokens(seen: Snapshot) -> Result:
    until = {name.replace("_", " "): at for name, at in token_expiries(seen.target).items()}
    return _first_to_expire(until, seen.now, TOKEN_SOON) if until else Result("not told")


def _first_to_expire(until: Mapping[str, Instant], now: Instant, soon: Seconds) -> Result:
    name, at = min(until.items(), key=lambda item: item[1])
    days = {
        each.replace("'", "").replace(" ", "_").lower(): round((moment - now) / DAY) for each, moment in until.items()
    }
    said = {"name": name, "at": datetime.fromtimestamp(at, UTC), "left": (at - now) / DAY}
    return Result("expired" if at <= now else "soon" if at - now < soon else "later", said, shown=days)


def slack(seen: Snapshot) -> Result:
    alerting = seen.settings.alerting
    if alerting.slack.bot_token is None:
        others = (alerting.slack.webhook_url, alerting.webhook.url, alerting.alertmanager.urls)
        return Result("not asked" if any(others) else "nobody")
    if seen.slack is None:
        skip(seen.unfinished)
    if not isinstance(seen.slack, Answered):
        refused = isinstance(seen.slack, Undeliverable) and seen.slack.permanent
        return Result("refused" if refused else "error", {"error": seen.slack})
    bot = seen.slack.value
    if bot.scopes is not None and "chat:write" not in bot.scopes:
        return Result("scope", {"workspace": bot.team})
    return Result("accepted", {"user": bot.user}, team=bot.team)


def cost(seen: Snapshot) -> Result:
    """What a month costs, with as many spans as a canary really makes."""
    month, canary, backend = monthly_cost(seen.target), seen.canary, seen.policy.backend
    whole = canary.spans if canary is not None and canary.outcome in (Outcome.ARRIVED, Outcome.LATE) else 0
    each = whole or month.spans_per_canary
    spans = (month.canaries * each + month.control_spans) * 30
    said = {
        "requests": month.requests,
        "month": spans,
        "each": each,
        "assumed": "" if whole else ", assumed",
        "free_requests": FREE_REQUESTS,
        "free_spans": f", {backend.name}'s {backend.free_spans:,} spans" if backend.free_spans is not None else "",
    }
    if (backend.free_spans is not None and spans > backend.free_spans) or month.requests > FREE_REQUESTS:
        return Result("beyond free", said, spans=round(spans))
    return Result("within free", said, spans=round(spans), requests=round(month.requests))
