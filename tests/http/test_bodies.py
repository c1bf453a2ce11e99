"""What bodies can be, legal or hostile: read, or refused in words of their own; bounded in memory and in time."""

import contextlib
import gc
import gzip
import json
import time
import tracemalloc
import weakref
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.http import BODY_LIMIT, Answer, JsonRows, Unread
from monitor.http.answer import Body
from monitor.ports import Garbled
from tests.fakes.loopback import answer, saying, serving
from tests.http.common import ask, over_network

MIB = 1024 * 1024


def _raw(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


def _members(content: bytes) -> bytes:
    half = len(content) // 2
    return gzip.compress(content[:half]) + gzip.compress(b"") + gzip.compress(content[half:]) + b"\0" * 10


_PACKED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "several members": ("x-gzip", _members),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("Deflate ", _raw),
}


@pytest.mark.parametrize("form", _PACKED)
@given(
    content=st.binary(max_size=300) | st.binary(min_size=3, max_size=5).map(lambda few: few * 40_000),
    size=st.integers(1, 300),
)
def test_every_usual_way_of_packing_is_read_whole(form: str, content: bytes, size: int) -> None:
    """However it is cut; deflate with zlib's frame and without, gzip in one member or several, padding behind it."""
    encoding, pack = _PACKED[form]
    body = Body(encoding=encoding, limit=MIB)
    sent = pack(content)
    for start in range(0, len(sent), size):
        body.feed(sent[start : start + size])
    assert (body.content, body.flaw) == (content, None)


@pytest.mark.parametrize(
    ("sent", "times", "flaw"),
    [
        (b"\0\0\0\xff\xff" * 13_000, 10_000, "a compressed body of more than 1048576 bytes"),
        (gzip.compress(b"") * 100, 1000, "a compressed body that cannot be read"),
    ],
    ids=["blocks of nothing", "members of nothing"],
)
def test_a_packed_body_of_nothing_ends(sent: bytes, times: int, flaw: str) -> None:
    """It would otherwise go on for as long as anybody sends."""
    body = Body(encoding="gzip", limit=MIB)
    began = time.perf_counter()
    body.feed(gzip.compress(b"")[:10] if b"\xff\xff" in sent[:5] else b"")
    assert any(not body.feed(sent) for _ in range(times))
    assert body.flaw == flaw
    assert time.perf_counter() - began < 2


def test_a_byte_at_a_time_ends() -> None:
    """Each piece costs, whatever is in it."""
    body = Body(encoding="", limit=MIB)
    fed = next(number for number in range(100_000) if not body.feed(b"x"))
    assert fed < 30_000
    assert body.flaw is not None
    assert "chunks" in body.flaw


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"a": NaN}', "JSON that holds NaN, which JSON does not have"),
        (b'{"a": -Infinity}', "JSON that holds -Infinity, which JSON does not have"),
        (b'{"a": 1, "a": 2}', "JSON that repeats a name in one object"),
        (b"[" * 200_000, "JSON nested deeper than 100 levels"),
        (b"[" * 150 + b"]" * 150, "JSON nested deeper than 100 levels"),
        (b"[" + b"{}," * 400_000 + b"{}]", "bytes of JSON that hold more than is read"),
    ],
    ids=["NaN", "Infinity", "repeated", "open", "deep", "many"],
)
def test_json_that_is_not_read_says_why(body: bytes, why: str) -> None:
    """Each in its own words: none of them is no JSON at all."""
    with pytest.raises(Unread, match=why):
        Answer(status=200, body=body).json()


_HOSTILE: dict[str, bytes] = {
    "small objects": b"[" + b'{"a":1},' * 524_000 + b"0]",
    "empty objects": b"[" + b"{}," * 1_390_000 + b"0]",
    "empty lists": b"[" + b"[]," * 1_390_000 + b"0]",
    "one flat object": b"{" + b",".join(b'"%x":1.5' % number for number in range(350_000)) + b"}",
    "many texts": b"[" + b'"ab",' * 830_000 + b"0]",
    "an emoji in a long text": json.dumps({"a": "x" * 4_190_000 + "\U0001f600"}, ensure_ascii=False).encode(),
    "an escaped emoji in a long text": json.dumps({"a": "x" * 4_190_000 + "\U0001f600"}).encode(),
    "a long text": json.dumps({"a": "x" * 4_190_000}).encode(),
    "numbers": b"[" + b"1234567," * 520_000 + b"0]",
}


@pytest.mark.parametrize("form", _HOSTILE)
def test_no_answer_of_the_greatest_size_takes_more_than_32_mib(form: str) -> None:
    """The body, its text and what is built of it, however it is made up."""
    sent = _HOSTILE[form]
    assert len(sent) <= BODY_LIMIT
    tracemalloc.start()
    try:
        body = Body(encoding="", limit=BODY_LIMIT)
        body.feed(sent)
        got = Answer(status=200, body=body.content)
        del body
        try:
            value = got.json()
        except Garbled:
            value = None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= 32 * MIB, f"{peak / MIB:.1f} MiB"
    del value


def test_an_ordinary_answer_of_the_greatest_size_is_read() -> None:
    """Texts with commas and escapes in them, as a list of rows has."""
    row = {"id": "0123456789abcdef", "output": "Ja, natürlich, es geht, und zwar so. " * 20, "tags": ["a", "b"]}
    body = json.dumps([row] * 4000).encode()
    assert 3 * MIB < len(body) < BODY_LIMIT
    assert len(Answer(status=200, body=body).json()) == 4000


@pytest.mark.parametrize("form", _HOSTILE)
def test_no_answer_keeps_the_loop_for_long(form: str) -> None:
    """What is too much is refused before it is built: nobody else's deadline passes meanwhile."""
    got = Answer(status=200, body=_HOSTILE[form])
    began = time.process_time()
    with contextlib.suppress(Garbled):
        got.json()
    assert time.process_time() - began < 0.5


async def test_two_ways_of_packing_arrive_over_the_wire() -> None:
    """What the adapters see of them is the content."""
    for encoding, pack in (_PACKED["several members"], _PACKED["raw deflate"]):
        async with serving(saying(answer(body=pack(b'{"a": 1}'), Content_Encoding=encoding.strip()))) as port:
            assert (await ask(over_network(), f"http://127.0.0.1:{port}/")).json() == {"a": 1}


@pytest.mark.parametrize("size", [1, 999, 65_536])
@pytest.mark.parametrize("number", ["9" * 5000, "-" + "1" * 100_000, "9" * 4000])
def test_an_endless_number_among_rows_ends_nothing_but_the_read(number: str, size: int) -> None:
    """The parser in C would take the whole process with it; however the number is cut."""
    rows = JsonRows(("rows",), lambda _: None)
    sent = f'{{"rows": [{{"duration": {number}}}]}}'.encode()

    def feed() -> None:
        for start in range(0, len(sent), size):
            rows.feed(sent[start : start + size])

    with pytest.raises(Garbled, match="number of 4000 digits"):
        feed()


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b'{"spans": {"data": [{"a": 1, "a": 2}]}}', "repeats a name"),
        (b'{"spans": {"data": [{"a": {"b": [], "b": {}}}]}}', "repeats a name"),
        (b'{"spans": {"data": [], "data": []}}', "repeats a name"),
        (b'{"spans": {}, "spans": {"data": []}}', "repeats a name"),
        (b'{"spans": {"data": [' + b'{"a":' * 101 + b"1" + b"}" * 101 + b"]}}", "deeper than 100 levels"),
        (b'{"spans": {"data": [NaN]}}', "not valid JSON"),
        (b'{"spans": {"data": [' + b"0," * 500_000 + b"0]}}", "more than 500000 values"),
    ],
    ids=["in a row", "deep in a row", "the rows", "on the way", "too deep", "no JSON", "too many"],
)
def test_rows_that_cannot_be_trusted_end_the_read(sent: bytes, why: str) -> None:
    """What is read out of two fields of one name is unpredictable, and what is built has a bound."""
    rows = JsonRows(("spans", "data"), lambda _: None)
    with pytest.raises(Garbled, match=why):
        rows.feed(sent)


def test_long_numbers_are_read_as_before() -> None:
    """One digit less, and many numbers beside each other at a cut."""
    found: list[object] = []
    rows = JsonRows(("rows",), found.append)
    sent = f'{{"rows": [{"9" * 3999}, {", ".join(["123456789"] * 3000)}]}}'.encode()
    for start in range(0, len(sent), 7):
        rows.feed(sent[start : start + 7])
    rows.close()
    assert len(found) == 3001


async def test_rows_that_were_read_are_let_go_of() -> None:
    """The parser is written in C, and the garbage collector does not see into it: who holds each other through it stays for ever."""
    gone = []
    for whole in (True, False):
        rows = JsonRows(("spans",), lambda _: None)
        rows.feed(b'{"spans": [{"a": 1}, ')
        if whole:
            rows.feed(b"2]}")
            rows.close()
        gone.append(weakref.ref(rows))
        del rows
    gc.collect()
    assert [each() for each in gone] == [None, None]
