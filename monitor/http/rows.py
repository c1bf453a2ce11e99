"""JSON that is read while it arrives: the rows of a long list, one at a time, so that no answer can fill the memory."""

import re
from collections.abc import Callable, Generator
from decimal import Decimal
from typing import Any
from weakref import WeakMethod

from ijson import JSONError, ObjectBuilder
from ijson.backends import yajl2_c

from monitor.core.model import Scalar
from monitor.http.answer import Answer
from monitor.ports import Garbled

ROW_LIMIT = 1024 * 1024
"""Bytes of text in one row; a larger one is counted and dropped. A canary's own rows are a hundred times smaller."""

VALUES_LIMIT = 500_000
"""Names and values in one answer: what is built out of many small ones is many times larger than their text."""

_DEEPEST = 100
_LONGEST_BESIDE = 200
_MOST_BESIDE = 20
_MOST_DIGITS = 4000
_REPEATED = "the answer repeats a name in one object"
_TOO_DEEP = f"the answer is nested deeper than {_DEEPEST} levels"
_DIGITS = b"0123456789"
_ENDLESS = re.compile(rb"(?<![0-9])[0-9]{%d}" % _MOST_DIGITS)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class JsonRows:
    """Reads one JSON object piece by piece and hands each element of the list at `path` to `take`.

    `form` says what stood at the path: list, null, other, missing. `beside` holds the scalars that stand next to it. `oversized`
    counts the rows that were dropped. Every method raises Garbled where the text is not JSON, or repeats a name that leads to
    the rows or stands in one: what is read out of two fields of one name is unpredictable
    (https://www.rfc-editor.org/rfc/rfc8259#section-4).
    """

    def __init__(self, path: tuple[str, ...], take: Callable[[object], None]) -> None:
        self._path = path
        self._take = take
        self.form = "missing"
        self.beside: dict[str, Scalar] = {}
        self.rows = 0
        self.oversized = 0
        self._keys: list[str | None] = []  # of each open container outside the rows: the current name, None in a list
        self._names: list[set[str]] = []
        self._in_list = False
        self._row: _Row | None = None
        self._values = 0
        self._begun = False
        self._digits = 0  # at the end of what was fed last
        # The parser is a C object that the garbage collector does not see into: a cycle through it would never be freed.
        self._parser = yajl2_c.basic_parse_coro(_each(WeakMethod(self._event)))

    def feed(self, piece: bytes) -> None:
        """Take a piece of the text; to the parser an empty one would be the end."""
        if not self._begun:
            piece = piece.removeprefix(_BYTE_ORDER_MARK)
        if piece:
            self._begun = True
            self._refuse_endless_number(piece)
            self._parse(self._parser.send, piece)

    def close(self) -> None:
        """The text is at its end."""
        self._parse(self._parser.close)

    def end(self, answer: Answer, who: str) -> None:
        """The answer of `who` is at its end, or was cut off by us. Raises Garbled where it was not read whole, or is not JSON."""
        if answer.cut_off:
            return
        if answer.flaw is not None:
            raise Garbled(f"{who} answers with {answer.flaw}", status=answer.status, evidence=answer.trail)
        try:
            self.close()
        except Garbled:
            what = f"status {answer.status} with {answer.size} bytes of {answer.media_type or 'no content type'}"
            raise Garbled(f"{what}, which is not valid JSON", status=answer.status, evidence=answer.trail) from None

    def _parse(self, parse: Callable[..., object], *piece: bytes) -> None:
        try:
            parse(*piece)
        except (JSONError, ValueError, ArithmeticError):
            raise Garbled("the answer is not valid JSON") from None  # the parser's words quote the text

    def _refuse_endless_number(self, piece: bytes) -> None:
        """CPython turns 4300 digits into a number and no more, which the parser, written in C, does not survive.

        https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
        """
        rest = piece.lstrip(_DIGITS)
        begins = self._digits + len(piece) - len(rest)
        if begins >= _MOST_DIGITS or _ENDLESS.search(piece):
            raise Garbled(f"the answer holds a number of {_MOST_DIGITS} digits or more")
        self._digits = len(piece) - len(piece.rstrip(_DIGITS)) if rest else begins

    def _event(self, event: str, value: Any) -> None:  # noqa: ANN401 - JSON
        self._values += 1
        if self._values > VALUES_LIMIT:
            raise Garbled(f"the answer holds more than {VALUES_LIMIT} values")
        if self._row is not None:
            self._continue_row(self._row, event, value)
        elif event == "map_key":
            on_the_way = tuple(self._keys[:-1]) == self._path[: len(self._keys) - 1]
            if on_the_way and value in self._names[-1]:
                raise Garbled(_REPEATED)
            if on_the_way:
                self._names[-1].add(value)
            self._keys[-1] = value
        elif event in ("end_map", "end_array"):
            self._keys.pop()
            self._names.pop()
            self._in_list = False
        elif not self._in_list:
            self._beside_the_rows(event, value)
        else:
            self._continue_row(_Row(), event, value)

    def _continue_row(self, row: "_Row", event: str, value: Any) -> None:  # noqa: ANN401 - JSON
        if not row.add(event, value):
            self._row = row
            return
        self._row = None
        self.rows += 1
        if row.size > ROW_LIMIT:
            self.oversized += 1
        else:
            self._take(row.value)

    def _beside_the_rows(self, event: str, value: Any) -> None:  # noqa: ANN401 - JSON
        place = tuple(self._keys)
        if event in ("start_map", "start_array"):
            if len(place) >= _DEEPEST:
                raise Garbled(_TOO_DEEP)
            self._keys.append(None)
            self._names.append(set())
            if place == self._path:
                self._in_list = event == "start_array"
                self.form = "list" if self._in_list else "other"
        elif place == self._path:
            self.form = "null" if value is None else "other"
        elif place and place[-1] is not None and place[:-1] == self._path[:-1] and len(self.beside) < _MOST_BESIDE:
            self.beside[place[-1]] = _plain(value, _LONGEST_BESIDE)


class _Names(dict[str, Any]):
    """An object of JSON in which no name is repeated."""

    def __setitem__(self, name: str, value: Any) -> None:  # noqa: ANN401 - JSON
        if name in self:
            raise Garbled(_REPEATED)
        super().__setitem__(name, value)


class _Row:
    """One row under construction; once it is too large, only its end is waited for."""

    def __init__(self) -> None:
        self._builder = ObjectBuilder(map_type=_Names)
        self._depth = 0
        self.size = 0

    @property
    def value(self) -> object:
        """What was built."""
        return self._builder.value

    def add(self, event: str, value: Any) -> bool:  # noqa: ANN401 - JSON
        """Add what the parser says; True when the row is complete."""
        self.size += len(value) + 8 if isinstance(value, str) else 8
        if event in ("start_map", "start_array"):
            self._depth += 1
            if self._depth > _DEEPEST:
                raise Garbled(_TOO_DEEP)
        elif event in ("end_map", "end_array"):
            self._depth -= 1
        if self.size <= ROW_LIMIT:
            self._builder.event(event, _plain(value))
        return self._depth == 0


def _each(take: "WeakMethod[Callable[[str, Any], None]]") -> Generator[None, tuple[str, Any], None]:
    """A coroutine, as the parser wants it: it is sent every event."""

    def coroutine() -> Generator[None, tuple[str, Any], None]:
        while True:
            event, value = yield
            method = take()
            if method is not None:
                method(event, value)
            del method, event, value  # while it waits, it holds nobody

    started = coroutine()
    next(started)
    return started


def _plain(value: Any, longest: int | None = None) -> Any:  # noqa: ANN401 - JSON
    """A scalar of JSON as the standard library would read it."""
    if isinstance(value, Decimal):
        return float(value)
    return value[:longest] if isinstance(value, str) else value
