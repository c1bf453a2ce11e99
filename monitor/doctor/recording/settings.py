"""The configuration in disguise: enough of it to play a recording to the same adapters, and nothing of the tenant's."""

from typing import Any

from monitor.doctor.recording.disguise import Disguise, host_of
from monitor.settings import SecretSource, Settings, Target
from monitor.settings.show import as_tree

_PARTS = ("control_plane", "gateway", "traceloop", "expected", "checks")


def target_names(settings: Settings) -> dict[str, str]:
    """What each target is called in a recording."""
    return {str(name): f"target-{number}" for number, name in enumerate(settings.targets, 1)}


def host_names(settings: Settings) -> dict[str, str]:
    """What each configured host is called in a recording, by its role; a host of several roles by its first."""
    found: dict[str, str] = {}
    for number, target in enumerate(settings.targets.values(), 1):
        for role, url in _urls(target):
            found.setdefault(host_of(url), f"{role}-{number}.invalid")
    found.setdefault(host_of(settings.alerting.slack.api_url), "slack.invalid")
    return found


def _urls(target: Target) -> list[tuple[str, str]]:
    urls = [
        ("traceloop", target.traceloop.url),
        ("endpoint", target.expected.endpoint),
        ("gateway", target.gateway.url),
    ]
    return [("control-plane", target.control_plane.url), *urls] if target.control_plane is not None else urls


def disguised(settings: Settings, disguise: Disguise) -> dict[str, Any]:
    """The settings that a visit goes by."""
    slack = settings.alerting.slack
    names = target_names(settings)
    return {
        "targets": {names[name]: _target(target, disguise) for name, target in settings.targets.items()},
        "alerting": {
            "slack": {
                "bot_token": disguise.secret(slack.bot_token.get()),
                "channel": "C0RECORDED",
                "api_url": disguise.url(slack.api_url),
            }
        }
        if slack.bot_token is not None
        else {},
        "http": {"allow_http": True},
    }


def _target(target: Target, disguise: Disguise) -> dict[str, Any]:
    def text(given: str) -> str:
        return disguise.path(given) if given.startswith("/") else disguise.text(given)

    def secret(source: SecretSource) -> str:
        return disguise.secret(source.get())

    parts = {
        name: as_tree(getattr(target, name), secret=secret, text=text, key=disguise.name)
        for name in _PARTS
        if getattr(target, name) is not None
    }
    # A slug is compared with what Traceloop returns, so it is in disguise as that is.
    others = target.traceloop.other_environments
    parts["traceloop"]["other_environments"] = {
        disguise.text(slug): {"api_key": secret(other.api_key)} for slug, other in others.items()
    }
    return parts
