"""The dead man's switch of the real program: it beats while the program lives, and only then."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.cli.live import live_sandbox
from tests.process.program import LOUD, ONLY_GATEWAY, running, until

SECRET = "0f9e8d7c6b5a49382716"


@contextmanager
def pinged() -> Iterator[tuple[str, list[str]]]:
    """Somebody who waits for pings: his address, and the paths that were asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/ping/{SECRET}", paths
        server.shutdown()
        thread.join()


def test_it_beats_while_the_program_turns_and_its_url_is_nowhere(tmp_path: Path) -> None:
    """Frozen in mid-turn it is silent, thawed it beats again; log, page, metrics and state know no more than that it is set."""
    with live_sandbox() as sandbox, pinged() as (url, paths):
        beat = {"heartbeat": {"url": url, "every": 0.2}}
        file = sandbox.file(tmp_path, LOUD, beat, {"targets": {"demo": {"checks": ONLY_GATEWAY}}})
        with running(file, tmp_path) as program:
            until(lambda: len(paths) >= 2, what="pings")
            program.process.send_signal(signal.SIGSTOP)
            time.sleep(0.5)  # what was under way arrives
            before = len(paths)
            time.sleep(1.5)
            assert len(paths) == before
            program.process.send_signal(signal.SIGCONT)
            until(lambda: len(paths) > before, what="another ping")
            assert set(paths) == {f"/ping/{SECRET}"}
            shown = program.get("/") + program.get("/metrics")
            assert program.ends() == 0
    state = b"".join(path.read_bytes() for path in tmp_path.glob("*.db*"))
    assert SECRET not in program.printed + shown
    assert SECRET.encode() not in state
