"""`trace-monitor healthcheck`: the running daemon is asked where it really listens, cheaply, whatever its configuration says now."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from monitor.cli import main
from monitor.daemon.address import Address, running
from tests.cli.live import live_site
from tests.settings.samples import MINIMAL
from tests.web.site import Site

Out = pytest.CaptureFixture[str]


@pytest.fixture
def site() -> Site:
    """What the daemon would show."""
    return Site()


@pytest.fixture
def url(site: Site) -> Iterator[str]:
    """Where it listens."""
    with live_site(site) as where:
        yield where


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for addresses that no other test knows."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_needs_no_token_and_says_nothing_while_all_is_well(site: Site, url: str, capsys: Out) -> None:
    """0 while it is healthy, 1 while it is not; nothing on stdout."""
    assert main(["healthcheck", "--url", url]) == 0
    assert capsys.readouterr() == ("", "")
    site.healthy = False
    assert main(["healthcheck", "--url", f"{url}/"]) == 1
    assert capsys.readouterr() == ("", "the daemon refused (HTTP 503): the scheduler does not run\n")


@pytest.mark.parametrize("words", [[], ["--config", "config.yaml"], ["--config", "elsewhere.yaml"]])
@pytest.mark.parametrize("text", [None, "targets: 3\n", f"{MINIMAL}server: {{port: 1}}\n"])
def test_the_file_at_hand_does_not_matter(url: str, words: list[str], text: str | None, capsys: Out) -> None:
    """Missing, refused by the daemon, or with a port that takes effect after a restart: it says where it listens."""
    if text is not None:
        Path("config.yaml").write_text(text)
    address = Address(url, str(Path("config.yaml").absolute()))
    assert main(["healthcheck", *words]) == 0
    assert capsys.readouterr() == ("", "")
    address.withdraw()


def test_of_several_daemons_that_of_the_configuration_is_asked(url: str, capsys: Out) -> None:
    """And none of them if it is not known which is meant."""
    addresses = [Address(url, "/etc/mine.yaml"), Address("http://127.0.0.1:1", "/etc/other.yaml")]
    assert main(["healthcheck", "--config", "/etc/mine.yaml"]) == 0
    assert main(["healthcheck", "--config", "/etc/other.yaml"]) == 1
    assert main(["healthcheck"]) == 1
    assert "several daemons run here" in capsys.readouterr().err
    assert main(["healthcheck", "--config", "/etc/dead.yaml"]) == 1
    assert "no daemon of /etc/dead.yaml runs here" in capsys.readouterr().err
    for address in addresses:
        address.withdraw()
    assert running() == []


def test_what_a_dead_daemon_left_behind_is_not_believed(tmp_path: Path, url: str) -> None:
    """Killed, it takes nothing back; the next one sweeps it away."""
    code = "import os; from monitor.daemon.address import Address; Address('http://127.0.0.1:1', ''); os._exit(9)"
    subprocess.run([sys.executable, "-c", code], check=False, env={**os.environ, "TMPDIR": str(tmp_path)})
    (directory,) = tmp_path.glob("trace-monitor-*")
    assert len(list(directory.iterdir())) == 1
    assert running() == []
    address = Address(url, "")
    assert running() == [(url, "")]
    assert len(list(directory.iterdir())) == 1
    address.withdraw()


def test_one_that_listens_everywhere_is_asked_here() -> None:
    """On IPv6 too."""
    for said, asked in (("http://0.0.0.0:97", "http://127.0.0.1:97"), ("https://[::]:97", "https://[::1]:97")):
        address = Address(said, "")
        assert running() == [(asked, "")]
        address.withdraw()


def test_what_another_user_left_in_the_common_directory_is_not_believed(tmp_path: Path) -> None:
    """He may make anything of that name in /tmp."""
    if os.getuid() != 0:
        pytest.skip("only root can give a file away")
    address = Address("http://127.0.0.1:1", "")
    (directory,) = tmp_path.glob("trace-monitor-*")
    os.chown(directory, 65532, 65532)
    assert running() == []
    address.withdraw()


def test_over_tls_the_certificate_may_be_for_another_name(site: Site, tmp_path: Path, capsys: Out) -> None:
    """A container asks itself by 127.0.0.1: the certificate is for the name that people use, and no token is sent."""
    pem = tmp_path / "tls.pem"
    issued = trustme.CA().issue_cert("monitor.example.com")
    pem.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
    with live_site(site, tls_cert=pem) as url:
        assert main(["healthcheck", "--url", url]) == 0
        site.healthy = False
        assert main(["healthcheck", "--url", url]) == 1
        assert "HTTP 503" in capsys.readouterr().err
    assert main(["healthcheck", "--url", url]) == 1


@pytest.mark.parametrize(
    "words", [["--bogus"], ["--config"], ["--url", "http://127.0.0.1:1"], ["--url", "http://[::1"], ["--url", "x"]]
)
def test_it_ends_with_0_or_1_and_nothing_else(words: list[str], capsys: Out) -> None:
    """Docker reserves 2, and a traceback helps nobody there."""
    assert main(["healthcheck", *words]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_without_a_daemon_that_says_where_the_configuration_does(url: str, capsys: Out) -> None:
    """Of one that found no place to say it; a bad configuration is said then, and ends with 1."""
    Path("config.yaml").write_text(f"{MINIMAL}server: {{port: {url.rpartition(':')[2]}}}\n")
    assert main(["healthcheck", "--config", "config.yaml"]) == 0
    Path("config.yaml").write_text("targets: 3\n")
    assert main(["healthcheck", "--config", "config.yaml"]) == 1
    assert capsys.readouterr().err.endswith("no running daemon was found\n")


def test_it_costs_less_than_a_sixth_of_a_second(url: str) -> None:
    """Of CPU: at a limit of 0.15 CPU it must end within the five seconds that the image gives it."""
    address = Address(url, "")
    costs = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-m", "monitor", "healthcheck"], check=False, cwd=Path(__file__).parents[2]
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    address.withdraw()
    assert min(costs) < 0.15
