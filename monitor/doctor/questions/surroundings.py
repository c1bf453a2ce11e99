"""What is around the monitor: its network, its clock, its credentials' ends, how it tells, and what it costs."""

from datetime import UTC, datetime

from monitor.core.canary import Outcome
from monitor.core.model import Instant, Seconds, Service
from monitor.daemon.status import token_expiries
from monitor.doctor.answer import Answer, Question, Section, open_, skipped, well, wrong
from monitor.doctor.questions.errors import NAMES
from monitor.doctor.seen import Answered, Seen
from monitor.ports import Undeliverable
from monitor.settings.coherence import FREE_REQUESTS, FREE_SPANS, monthly_cost

_WATCHED = (Service.CONTROL_PLANE, Service.GATEWAY, Service.TRACELOOP, Service.OTLP)
_MUCH: Seconds = 60.0
_DAY: Seconds = 86_400.0
_SOON: Seconds = 21 * _DAY
_TEST = "Run `trace-monitor notify test`: it posts a test message by every configured way."
_CHAT = "chat:write"


def judge_reach(seen: Seen) -> Answer:
    """Whether this machine reaches every service."""
    heard = seen.overheard
    silent = {each: heard.failures[each] for each in _WATCHED if each in heard.failures and each not in heard.answered}
    kinds = {each.value: kind for each, kind in silent.items()}
    if silent and not heard.answered & set(_WATCHED):
        return wrong(
            "nobody",
            "Nobody answers this machine at all: its own network is the suspect.",
            "Look at DNS, firewall, proxy (http.proxy) and certificates (http.ca_file) of this machine.",
        ).showing(kinds)
    if silent:
        said = ", ".join(f"{NAMES[each]} ({kind})" for each, kind in silent.items())
        return open_("not all", f"Of the services, these do not answer this machine: {said}.").showing(kinds)
    if not heard.answered:
        return skipped(seen.unfinished)
    return well("all", "Every service answers this machine.")


def judge_blocked(seen: Seen) -> Answer:
    """Whether something in front of a service turns the monitor away."""
    blocked = [NAMES[each] for each in _WATCHED if each in seen.overheard.blocked]
    if not blocked:
        return well("no", "Nothing in front of the services turns the monitor away (such as Cloudflare's error 1010).")
    return wrong(
        "yes",
        f"Something in front of {', '.join(blocked)} turns the monitor away (Cloudflare's error 1010, or a firewall's page).",
        "That is no permission of TrueFoundry or Traceloop. Ask whoever runs it to let through this machine's address and the "
        "User-Agent gateway-trace-monitor.",
    )


def judge_proxy(seen: Seen) -> Answer:
    """By which way this machine goes out."""
    if not seen.proxies:
        return well("none", "No proxy is used: every service is asked directly.")
    source = (
        "http.proxy" if seen.settings.http.proxy is not None else "the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY)"
    )
    named = "; ".join(f"{NAMES[service]} through {proxy}" for service, proxy in seen.proxies.items())
    return well("used", f"By {source} a proxy is used: {named}.").showing(
        {service.value: proxy for service, proxy in seen.proxies.items()}
    )


def judge_clock(seen: Seen) -> Answer:
    """Whether this machine's clock agrees with those of the servers."""
    skews = {each: skew for each, skew in seen.overheard.skews.items() if each in _WATCHED}
    if not skews:
        return open_("not told", "No server told its time.")
    service, skew = max(skews.items(), key=lambda item: abs(item[1]))
    seconds = {each.value: round(value) for each, value in skews.items()}
    if abs(skew) > _MUCH:
        word = "behind" if skew > 0 else "ahead of"
        return wrong(
            "wrong",
            f"This machine's clock is {abs(skew):.0f} s {word} that of {NAMES[service]}: traces are looked for at the wrong time.",
            "Set the clock (NTP).",
        ).showing(seconds)
    return well("right", f"This machine's clock agrees with the servers' to {max(1.0, abs(skew)):.0f} s.").showing(
        seconds
    )


def judge_certificates(seen: Seen) -> Answer:
    """Until when the services' certificates hold."""
    until = {NAMES[each]: at for each, at in seen.overheard.certificates.items() if each in _WATCHED}
    if not until:
        return open_("not seen", "No certificate was seen: the services were not asked by https, or did not answer.")
    return _judge_ends(until, seen.now, "certificate", "Whoever runs it should renew it; the metrics warn of it too.")


def judge_tokens(seen: Seen) -> Answer:
    """When the tokens expire, where they tell."""
    until = {name.replace("_", " "): at for name, at in token_expiries(seen.target).items()}
    if not until:
        return well(
            "not told",
            "The tokens do not tell when they expire (what begins with tfy_ is opaque).",
            advice="Note in TrueFoundry (Access, Virtual Accounts) when the monitor's token expires.",
        )
    return _judge_ends(until, seen.now, "token", "Make a new one in TrueFoundry: Access, Virtual Accounts.")


def _judge_ends(until: dict[str, Instant], now: Instant, what: str, advice: str) -> Answer:
    name, at = min(until.items(), key=lambda item: item[1])
    days = {
        each.replace("'", "").replace(" ", "_").lower(): round((moment - now) / _DAY) for each, moment in until.items()
    }
    said = f"The first {what} to expire is that of {name}, on {datetime.fromtimestamp(at, UTC):%Y-%m-%d}"
    if at <= now:
        return wrong("expired", f"The {what} of {name} has expired.", advice).showing(days)
    if at - now < _SOON:
        return well("soon", f"{said}: in {(at - now) / _DAY:.0f} days.", advice=advice).showing(days)
    return well("later", f"{said}.").showing(days)


def judge_slack(seen: Seen) -> Answer:
    """Whether Slack would take a message."""
    slack, alerting = seen.settings.alerting.slack, seen.settings.alerting
    if slack.bot_token is None:
        if slack.webhook_url is not None or alerting.webhook.url is not None or alerting.alertmanager.urls:
            return open_("not asked", "Whether messages arrive can only be seen by sending one.", _TEST)
        return open_(
            "nobody", "No notifier is configured: nobody is told.", "Configure alerting.slack, or alert on the metrics."
        )
    match seen.slack:
        case Answered(value=bot):
            if bot.scopes is not None and _CHAT not in bot.scopes:
                return wrong(
                    "scope",
                    f"Slack takes the bot's token (workspace {bot.team}), but it lacks the scope {_CHAT}.",
                    f"At https://api.slack.com/apps open the app, OAuth & Permissions, add {_CHAT}, and install it again.",
                )
            return well(
                "accepted",
                f"Slack takes the bot's token: {bot.user} in workspace {bot.team}.",
                advice=f"Whether it may post to the channel shows only by posting. {_TEST}",
                team=bot.team,
            )
        case Undeliverable(permanent=True) as error:
            return wrong(
                "refused",
                f"Slack refuses the bot's token: {error}.",
                "At https://api.slack.com/apps open the app, OAuth & Permissions, and copy the Bot User OAuth Token (xoxb-…).",
            )
        case None:
            return skipped(seen.unfinished)
        case error:
            return open_("error", f"Whether Slack takes the bot's token is not known: {error}.", _TEST)


def judge_cost(seen: Seen) -> Answer:
    """What a month costs, with as many spans as a canary really makes."""
    cost = monthly_cost(seen.target)
    canary = seen.canary
    counted = canary is not None and canary.outcome in (Outcome.ARRIVED, Outcome.LATE) and canary.spans
    each = canary.spans if canary is not None and counted else cost.spans_per_canary
    spans = (cost.canaries * each + cost.control_spans) * 30
    assumed = "" if counted else ", assumed"
    said = (
        f"A month costs about {cost.requests:,.0f} requests and {spans:,.0f} spans ({each} a canary{assumed}); "
        f"TrueFoundry's free plan has {FREE_REQUESTS:,} requests, Traceloop's {FREE_SPANS:,} spans."
    )
    if spans > FREE_SPANS or cost.requests > FREE_REQUESTS:
        return well(
            "beyond free",
            said,
            advice="On a free plan, send canaries less often (checks.canary.every).",
            spans=round(spans),
        )
    return well("within free", said, spans=round(spans), requests=round(cost.requests))


SURROUNDINGS = Section(
    title="This machine, telling, and cost",
    questions=(
        Question(slug="reachable", text="Does this machine reach every service?", judge=judge_reach, needed=True),
        Question(slug="blocked", text="Is the monitor turned away on its way?", judge=judge_blocked, needed=True),
        Question(slug="proxy", text="Which proxy is used?", judge=judge_proxy),
        Question(slug="clock", text="Is this machine's clock right?", judge=judge_clock),
        Question(slug="certificates", text="How long do the certificates hold?", judge=judge_certificates),
        Question(slug="tokens", text="How long do the tokens hold?", judge=judge_tokens),
        Question(slug="slack", text="Would a message arrive?", judge=judge_slack),
        Question(slug="cost", text="What does a month cost?", judge=judge_cost),
    ),
)
