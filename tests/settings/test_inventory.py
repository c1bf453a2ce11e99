"""The settings as a tree: read again as a configuration, they are the same."""

import json
from pathlib import Path

from monitor.settings import SecretSource, Settings, parse
from monitor.settings.show import as_tree
from tests.settings.samples import MINIMAL


def settings_of(text: str) -> Settings:
    """From a file's text."""
    return parse(text, {}, Path("/")).settings


def plain(settings: Settings) -> str:
    """As a configuration, with its secrets."""
    targets = as_tree(settings.targets, secret=SecretSource.get, text=str, key=str)
    return json.dumps({"targets": targets})


def test_what_is_read_again_is_the_same() -> None:
    """Every target, derived settings among them."""
    settings = settings_of(MINIMAL)
    assert settings_of(plain(settings)).targets == settings.targets


def test_each_part_is_changed_as_it_is_wanted() -> None:
    """Secrets, texts and the keys of mappings; nothing of a secret is left where it is replaced."""
    settings = settings_of(MINIMAL)
    (secret,) = {source.get() for target in settings.targets.values() for source in (target.traceloop.api_key,)}
    tree = as_tree(settings.targets, secret=lambda _: "S", text=lambda text: f"<{text}>", key=str.upper)
    assert tree["PROD"]["traceloop"]["api_key"] == "S"
    assert tree["PROD"]["expected"]["protocol"] == "<http>"
    assert secret not in json.dumps(tree)
