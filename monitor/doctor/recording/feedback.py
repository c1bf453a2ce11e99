"""Change what stands in `x-tfy-feedback-target-id`, base64 of JSON, without changing its form: that is what is to be learnt."""

import base64
import binascii
import json
from collections.abc import Callable
from urllib.parse import unquote

_TRIES = 12


def recode(header: str, change: Callable[[object], object]) -> str | None:
    """The header with its content changed; None if it is not of the known form.

    Its alphabet and its padding stay visible: blanks after the JSON are harmless, and make them so where they would not be.
    """
    text = unquote(header.strip())
    url_safe = bool({"-", "_"} & set(text))
    padded = len(text) % 4 == 0
    try:
        raw = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
        content = change(json.loads(raw))
    except (binascii.Error, ValueError, RecursionError):
        return None
    if url_safe and isinstance(content, dict):
        content = {**content, "alphabet": "???>>>"}
    for blanks in range(_TRIES):
        made = _encode(" " * blanks + json.dumps(content, separators=(",", ":")), url_safe=url_safe, padded=padded)
        shows_alphabet = not url_safe or bool({"-", "_"} & set(made))
        shows_padding = padded or len(made) % 4 != 0
        if shows_alphabet and shows_padding:
            return made
    return None


def _encode(text: str, *, url_safe: bool, padded: bool) -> str:
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    made = encode(text.encode()).decode()
    return made if padded else made.rstrip("=")
