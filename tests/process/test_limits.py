"""A process that may open little: whoever opens connections to its web takes nothing from its checks."""

import socket
import time
from pathlib import Path

from tests.cli.live import live_sandbox
from tests.process.program import LOUD, ONLY_GATEWAY, running, until

FEW_DESCRIPTORS = """\
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from monitor.cli import main
sys.exit(main())
"""


def test_sixty_idle_connections_at_64_descriptors_disturb_nothing(tmp_path: Path) -> None:
    """Health is answered, the checks pass all the while, and the log says next to nothing of it."""
    with live_sandbox() as sandbox:
        file = sandbox.file(tmp_path, LOUD, {"targets": {"demo": {"checks": ONLY_GATEWAY}}})
        with running(file, tmp_path, wrapper=FEW_DESCRIPTORS) as program:
            until(lambda: program.json("/api/v1/status")["verdict"] == "pass", what="a pass")
            port, before = int(program.url.rpartition(":")[2]), len(program.stderr.read_text())
            looks = program.metric("checks_total", check="gateway", verdict="pass") or 0
            opened: list[socket.socket] = []
            ends = time.monotonic() + 8
            while time.monotonic() < ends:
                opened += [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
                assert program.get("/healthz") == "ok\n"
                assert program.json("/api/v1/status")["verdict"] == "pass"
                time.sleep(0.5)
                for each in opened[:-60]:
                    each.close()
            assert (program.metric("checks_total", check="gateway", verdict="pass") or 0) - looks >= 5
            assert not program.metric("checks_total", check="gateway", verdict="fail")
            assert not program.metric("checks_total", check="gateway", verdict="unknown")
            assert len(program.stderr.read_text()) - before < 4000
            for each in opened:
                each.close()
            assert program.ends() == 0
