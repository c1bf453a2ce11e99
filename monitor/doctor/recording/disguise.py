"""Made-up texts for real ones, always the same for the same: what was equal stays equal, and nothing else can be learnt.

a secret       recorded-secret-1 if it is a configured one, recorded-unknown-1 if not; its form (Bearer, quotes) stays
a trace id     7ace…, a span id 59a0…, of the same length
a host         control-plane-1.invalid, other-1.invalid
any other text text-7-of-23: the seventh, of 23 characters; ids and secrets that stand in it are named behind
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from monitor.core.secret import Oddity, SecretKind, describe_secret
from monitor.doctor.recording.words import ERROR, HOSTS, PATHS, WHOLE
from monitor.redaction import Redactor

CREDENTIAL = "recorded-credential"
"""Stands for what looks like a credential and is none of the configured ones."""

ID = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{16,})(?![0-9A-Za-z])", re.IGNORECASE
)
_NUMBER = re.compile(r"-?[0-9]{1,16}(\.[0-9]{1,12})?(e-?[0-9]{1,3})?")
# The names of numbers and of moments: those of anything else could be somebody's, such as a customer's.
_MEASURE = re.compile(
    r"(tokens?|count|size|results|limit|index|cursor|code|status|latency|duration(Ns)?|_ms|timestamp|created|cost\w*)$",
    re.IGNORECASE,
)
_WHEN = re.compile(r"(At|_at|[Tt]ime|timestamp)$")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
_URL = re.compile(r"(\s*)(https?)://([^\s/?#]+)([^\s?#]*)(\S*)(\s*)", re.IGNORECASE)
_SPAN_NAME = re.compile(
    r"(ChatCompletion|Completion|Model|Embedding|Rerank|Guardrail|AgentResponse|MCP): (.+)|(POST|GET) (.+)"
)
_HEADER_VALUE = re.compile(r"(\s*[\"']?\s*(?:bearer\s+)?)(.*?)(\s*[\"']?\s*)", re.IGNORECASE | re.DOTALL)
_SCHEME = re.compile(r"^(?:bearer|basic)\s+", re.IGNORECASE)
_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,80}")
_SECRET_NAME = re.compile(
    r"(^|[._-])(authorization|cookie|set-cookie|api[_-]?key|secret|password|token)$", re.IGNORECASE
)
_ERROR_NAMES = frozenset({"message", "error", "detail", "msg", "status_message", "statusMessage"})
_MOST_NAMED = 5


class Disguise:
    """Knows every real text that it has met, and what stands for it. `secrets` and `hosts` name what is configured."""

    def __init__(self, *, secrets: Mapping[str, str], hosts: Mapping[str, str], redactor: Redactor) -> None:
        self._secrets = {_bare(value): name for value, name in secrets.items()}
        self._hosts = dict(hosts)
        self._redactor = redactor
        self._texts: dict[str, int] = {}
        self._ids: dict[str, str] = {}
        self._unknown: dict[str, str] = {}

    # --- JSON

    def value(self, value: object, name: str = "") -> Any:  # noqa: ANN401 - JSON
        """Any JSON; `name` is the key it stands under."""
        match value:
            case dict():
                return self._object(value, name)
            case list():
                return [self.value(each, name) for each in value]
            case str():
                return self._text_under(value, name)
            case bool() | None:
                return value
            case int() | float():
                return value if _MEASURE.search(name) else 0
        return None

    def _object(self, value: Mapping[str, Any], name: str) -> dict[str, Any]:
        if name == "headers":  # of an exporter: every value is a secret whatever its name
            return {self.name(key): self.secret(each) for key, each in value.items() if isinstance(each, str)}
        return {self.name(key): self.value(each, key) for key, each in value.items()}

    def _text_under(self, text: str, name: str) -> str:
        if _SECRET_NAME.search(name):
            return self.secret(text)
        if name in _ERROR_NAMES and text not in WHOLE:
            return self._error(text)
        return self.text(text, name)

    def _error(self, text: str) -> str:
        """An error's text; the gateway also sends one that is JSON itself."""
        try:
            inner = json.loads(text)
        except (ValueError, RecursionError):
            return self.words(text)
        return json.dumps(self.value(inner)) if isinstance(inner, dict) else self.words(text)

    # --- texts

    def name(self, key: str) -> str:
        """The name of an attribute or a field: kept if it looks like one."""
        foreign = any(host in key.lower() for host in self._hosts if "." in host)
        if _KEY.fullmatch(key) is None or foreign or self._redactor.finds_credential(key):
            return self.text(key)
        return self.ids(key)

    def text(self, text: str, name: str = "") -> str:
        """Any text; `name` is the key it stands under."""
        if text in WHOLE or _is_measure(text, name):
            return text
        if ID.fullmatch(text):
            return self.ids(text)
        if url := _URL.fullmatch(text):
            return self._url(url)
        if span := _SPAN_NAME.fullmatch(text):
            return f"{span[1]}: {self.text(span[2])}" if span[1] else f"{span[3]} {self.text(span[4])}"
        number = self._texts.setdefault(text, len(self._texts) + 1)
        named = "".join(f"-with-{each}" for each in self._named_in(text))
        return f"text-{number}-of-{len(text)}{named}"

    def _named_in(self, text: str) -> list[str]:
        """What stands in a text and relates it to others: secrets, ids."""
        found = [name for secret, name in self._secrets.items() if secret in text][:_MOST_NAMED]
        if not found and self._redactor.finds_credential(text):
            found = [CREDENTIAL]
        without = self._redactor.redact(text)  # or part of a secret would be taken for an id
        ids = list(dict.fromkeys(match.group() for match in ID.finditer(without)))[:_MOST_NAMED]
        return found + [f"gtm-{self.ids(each)}" if f"gtm-{each}" in text else self.ids(each) for each in ids]

    def words(self, text: str) -> str:
        """A text for people, such as an error's: its plain words, and an ellipsis for every other."""
        kept = [self._word(word) for word in text[:2000].split()]
        return " ".join(word for place, word in enumerate(kept) if word != "…" or kept[place - 1 : place] != ["…"])

    def _word(self, word: str) -> str:
        bare = word.strip(".,:;!?'\"()[]{}<>").lower()
        return word if bare in ERROR or (bare.isdigit() and len(bare) <= 4) else "…"  # noqa: PLR2004

    # --- ids

    def ids(self, text: str) -> str:
        """The text with every id in it replaced."""
        return ID.sub(lambda match: self._id(match.group()), text)

    def _id(self, given: str) -> str:
        plain = given.replace("-", "").lower()
        if plain not in self._ids:
            count = len(self._ids) + 1
            mark = "7ace" if len(plain) == 32 else "59a0"  # noqa: PLR2004 - a trace's, a span's
            self._ids[plain] = mark + f"{count:0{len(plain) - len(mark)}x}"
        made = self._ids[plain]
        if "-" not in given:
            return made
        return "-".join((made[:8], made[8:12], made[12:16], made[16:20], made[20:]))

    # --- hosts

    def url(self, url: str) -> str:
        """A URL without its query: its host and what is not public of its path are made up."""
        match = _URL.fullmatch(url)
        return self._url(match) if match else self.text(url)

    def _url(self, match: re.Match[str]) -> str:
        before, scheme, place, path, _query, after = match.groups()
        return f"{before}{scheme}://{self._host(place)}{self.path(path)}{after}"

    def _host(self, place: str) -> str:
        host = place.rpartition("@")[2].lower()
        if host in HOSTS:
            return host
        if host not in self._hosts:
            self._hosts[host] = f"other-{len(self._hosts) + 1}.invalid"
        return self._hosts[host]

    def path(self, path: str) -> str:
        """A path, segment by segment."""
        return "/".join(
            segment if segment in PATHS or not segment else self.text(segment) for segment in path.split("/")
        )

    # --- secrets

    def credential(self, header: str) -> str | None:
        """Which of the configured secrets a request carried; None for none of them."""
        return self._secrets.get(_bare(header))

    def secret(self, text: str) -> str:
        """A secret value by what is known of it; its form stays, because a form may be what is wrong."""
        described = describe_secret(text, expected=None, key=b"recording", bearer=True)
        match described.kind:
            case SecretKind.MASKED:
                return "********"
            case SecretKind.REFERENCE:
                return (
                    "Bearer tfy-secret://tenant:group:key" if _SCHEME.match(text) else "tfy-secret://tenant:group:key"
                )
            case _:
                pass
        match = _HEADER_VALUE.fullmatch(text)
        before, inner, after = match.groups() if match else ("", text, "")
        return f"{before}{self._stand_in(inner, described.oddities)}{after}" if inner else text

    def _stand_in(self, inner: str, oddities: tuple[Oddity, ...]) -> str:
        if Oddity.PLACEHOLDER in oddities:
            return "${PLACEHOLDER}"
        known = self._secrets.get(inner)
        if known is None:
            known = self._unknown.setdefault(inner, f"recorded-unknown-{len(self._unknown) + 1}")
        return f"percent%20encoded-{known}" if Oddity.PERCENT_ENCODED in oddities else known


def host_of(url: str) -> str:
    """Host and port of a URL, as they stand in it."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


def _is_measure(text: str, name: str) -> bool:
    """Whether a text is a number or a moment, and by its name one that says nothing of anybody."""
    is_number = _MEASURE.search(name) is not None and _NUMBER.fullmatch(text) is not None
    return is_number or (_WHEN.search(name) is not None and _MOMENT.fullmatch(text) is not None)


def _bare(secret: str) -> str:
    return _SCHEME.sub("", secret.strip())
