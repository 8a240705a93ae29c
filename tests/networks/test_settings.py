"""What `check` says to proxies, certificates and files of secrets, and what it hears from a proxy."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from bot.check.online import named_proxies
from bot.check.proxy import ask_proxy
from bot.config import ConfigFaults, load
from bot.config.faults import Faults, Where
from bot.net import way
from tests.bot import sample
from tests.networks.authority import ca_file, server_context
from tests.networks.proxies import proxy

ENV = {**sample.SECRETS, "PROXY": "socks5://anna:kept-secret@proxy.example:1080", "NO_PORT": "http://proxy.example"}


def read(folder: Path, *changes: tuple[str, str]) -> Any:
    return load(sample.write(folder, sample.changed(*changes)), ENV)


def faults(folder: Path, *changes: tuple[str, str]) -> list[str]:
    with pytest.raises(ConfigFaults) as caught:
        read(folder, *changes)
    return [f"{one.key}: {one.what}; {one.mend}" for one in caught.value.faults]


def desk(line: str) -> tuple[str, str]:
    return 'timezone = "Asia/Almaty"\n', f'timezone = "Asia/Almaty"\n{line}\n'


MEND = 'write "http://host:port", "https://host:port" or "socks5://host:port", or "" for none'
NOTHING_BEHIND = f"is not the address of a proxy: host and port, and nothing behind them; {MEND}"
WRONG = {
    'proxy = "proxy.example:3128"': f'"proxy.example" is not a kind of proxy the desk can use; {MEND}',
    'proxy = "ftp://proxy.example:21"': f'"ftp" is not a kind of proxy the desk can use; {MEND}',
    'proxy = "socks4://proxy.example:1080"': f'"socks4" is not a kind of proxy the desk can use; {MEND}',
    'proxy = "http://proxy.example"': NOTHING_BEHIND,
    'proxy = "env:NO_PORT"': NOTHING_BEHIND,
    'proxy = "http://proxy.example:1/x"': NOTHING_BEHIND,
    'proxy = "http://proxy.example:99999"': f"is not the address of a proxy; {MEND}",
    'proxy = "http://[::1:1"': f"is not the address of a proxy; {MEND}",
    'proxy = "http://anna:kept-secret@proxy.example:1"': "a user and a password must not stand here in plain text; "
    'put the address into .env: "env:PROXY"',
    "proxy = 1": f"must be text in quotes; {MEND}",
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_proxy_is_named(line: str, tmp_path: Path) -> None:
    found = faults(tmp_path, desk(line))
    assert found == [f"desk.proxy: {WRONG[line]}"]
    assert "kept-secret" not in str(found)


def test_a_wrong_proxy_of_a_source_is_named(tmp_path: Path) -> None:
    found = faults(tmp_path, (sample.PLAY, sample.PLAY + 'proxy = "proxy"\n'))
    assert [one.partition(":")[0] for one in found] == ["clients[0].brands[0].sources[0].proxy"]


def test_each_side_goes_by_its_own_proxy_or_by_the_desks(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        desk('proxy = "env:PROXY"'),
        (sample.TELEGRAM, sample.TELEGRAM + 'proxy = ""\n'),
        (sample.SLACK, sample.SLACK + 'proxy = "http://10.0.0.1:3128"\n'),
        (sample.PLAY, sample.PLAY + 'proxy = "http://10.0.0.2:3128"\n'),
    )
    assert way(config, None).proxy == ENV["PROXY"]
    assert way(config, config.telegram.proxy).proxy == ""
    assert way(config, config.slack[0].proxy).proxy == "http://10.0.0.1:3128"
    named = [(proxy, where.path) for proxy, where in named_proxies(config)]
    assert named == [
        (ENV["PROXY"], "desk.proxy"),
        ("http://10.0.0.1:3128", "slack[0].proxy"),
        ("http://10.0.0.2:3128", "clients[0].brands[0].sources[0].proxy"),
    ]


def test_without_a_word_about_it_everything_goes_directly(tmp_path: Path) -> None:
    config = read(tmp_path)
    assert way(config, config.slack[0].proxy).proxy == ""
    assert way(config, None).ca_file is None
    assert config.clients[0].keep is None


def test_a_file_of_certificates_is_looked_into(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("no certificate\n")
    ca_file(tmp_path)
    assert read(tmp_path, desk('ca_file = "company-ca.pem"')).desk.ca_file == tmp_path / "company-ca.pem"
    [found] = faults(tmp_path, desk('ca_file = "empty.pem"'))
    assert found.startswith("desk.ca_file: empty.pem holds no certificates; ")
    [found] = faults(tmp_path, desk('ca_file = "none.pem"'))
    assert found.startswith("desk.ca_file: there is no file none.pem; ")


MODES = {0o600: True, 0o400: True, 0o700: True, 0o640: False, 0o604: False, 0o644: False, 0o440: False, 0o666: False}


@pytest.mark.skipif(os.name != "posix", reason="only POSIX files tell the owner from others by a mode")
@pytest.mark.parametrize(("mode", "taken"), MODES.items())
def test_a_secret_that_others_can_read_is_refused(mode: int, taken: bool, tmp_path: Path) -> None:
    file = tmp_path / "key.txt"
    file.write_text("kept-secret-of-the-desk-file\n")
    file.chmod(mode)
    change = ('"env:REPLYDESK_SECRET"', '"file:key.txt"')
    if taken:
        assert read(tmp_path, change).desk.secret_key.get_secret_value() == "kept-secret-of-the-desk-file"
        return
    what = f"the file key.txt can be read by others than its owner (mode {mode:o})"
    assert faults(tmp_path, change) == [f"desk.secret_key: {what}; chmod 600 {file}"]


# online


async def asked(url: str, ca: Path | None = None) -> str:
    found = Faults("config.toml")
    await ask_proxy(url, Where().at("desk", "proxy"), ca, found)
    return "; ".join(f"{one.key}: {one.what}" for one in found.found)


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_a_proxy_that_lets_us_in_is_no_fault(kind: str) -> None:
    async with proxy(kind, "anna:p@ss") as there, proxy(kind) as unlocked:
        assert await asked(there.url.replace("p@ss", "p%40ss")) == ""
        assert await asked(unlocked.url) == ""


@pytest.mark.integration
async def test_a_proxy_with_tls_is_greeted_by_the_own_authority(tmp_path: Path) -> None:
    async with proxy("http", tls=server_context(tmp_path)) as there:
        assert await asked(there.url, ca_file(tmp_path)) == ""
        assert "does not answer (SSLCertVerificationError)" in await asked(there.url)


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_a_proxy_that_refuses_the_login_is_named(kind: str) -> None:
    async with proxy(kind, "anna:right") as there:
        assert await asked(there.url.replace("right", "wrong")) == "desk.proxy: the proxy refuses user or password"


@pytest.mark.integration
async def test_a_login_that_is_missing_is_named() -> None:
    async with proxy("socks5", "anna:right") as there:
        assert "wants a user and a password" in await asked(f"socks5://127.0.0.1:{there.port}")


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_a_proxy_that_is_not_there_is_named(kind: str) -> None:
    async with proxy(kind) as gone:
        pass
    assert await asked(gone.url) == "desk.proxy: the proxy does not answer (ConnectionRefusedError)"


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_something_else_at_that_address_is_named(kind: str) -> None:
    async def nonsense(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert "the proxy does not speak" in await asked(f"{kind}://127.0.0.1:{port}")
