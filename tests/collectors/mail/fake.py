"""A mail server with one folder, as far as a reader of mail speaks with it (RFC 9051)."""

from __future__ import annotations

import re
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from pydantic import SecretStr

from collectors.mail import Settings
from tests.collectors.wire import NOW

PASSWORD = "app-password-of-the-desk"


class Box:
    """Letters by number. `says`: what is answered instead, by command, or for one letter ("FETCH 2").

    `gone`: letters thrown away between the search and the reading.
    """

    def __init__(self) -> None:
        self.letters: dict[int, bytes] = {}
        self.numbering = 7
        self.says: dict[str, str] = {}
        self.gone: set[int] = set()
        self.asked: list[str] = []
        self.port = 0

    @property
    def settings(self) -> Settings:
        return Settings(
            host="127.0.0.1", port=self.port, user="desk@bank.test", password=SecretStr(PASSWORD), security="none"
        )

    def deliver(
        self,
        text: str,
        sender: str = "noreply@otzovik.com",
        subject: str = "Новый отзыв",
        html: bool = False,
        **more: str,
    ) -> int:
        letter = EmailMessage()
        letter["From"] = f"Site <{sender}>"
        letter["Subject"] = subject
        number = max(self.letters, default=0) + 1
        headers = {"Date": format_datetime(NOW), "Message-ID": f"<{number}@site.test>", **more}
        for name, value in headers.items():
            if value:
                letter[name.replace("_", "-")] = value
        letter.set_content(text, subtype="html" if html else "plain")
        return self.put(letter.as_bytes())

    def put(self, content: bytes) -> int:
        number = max(self.letters, default=0) + 1
        self.letters[number] = content
        return number


class Talk(socketserver.StreamRequestHandler):
    box: Box
    disable_nagle_algorithm = True

    def handle(self) -> None:
        self.wfile.write(b"* OK ready\r\n")
        for line in self.rfile:
            tag, command, rest = re.match(r"(\S+) (\S+) ?(.*)", line.decode().strip()).groups()  # type: ignore[union-attr]
            self.box.asked.append(f"{command} {rest}".replace(PASSWORD, "***"))
            name = command.upper() if command.upper() != "UID" else rest.split()[0].upper()
            said = self.box.says.get(" ".join(rest.split()[:2]), self.box.says.get(name))
            if said is not None:
                if not said:
                    return
                self.wfile.write(f"{tag} {said}\r\n".encode())
                continue
            ANSWERS[name](self, rest)
            self.wfile.write(f"{tag} OK done\r\n".encode())

    def capability(self, rest: str) -> None:
        self.wfile.write(b"* CAPABILITY IMAP4rev1\r\n")

    def nothing(self, rest: str) -> None:
        """LOGIN is judged by `says`."""

    def select(self, rest: str) -> None:
        self.wfile.write(f"* 1 EXISTS\r\n* OK [UIDVALIDITY {self.box.numbering}] it\r\n".encode())

    def search(self, rest: str) -> None:
        first = re.search(r"UID (\d+):\*", rest)
        known = sorted(self.box.letters)
        shown = [n for n in known if n >= int(first.group(1))] or known[-1:] if first else known
        self.wfile.write(f"* SEARCH {' '.join(map(str, shown))}\r\n".encode())

    def fetch(self, rest: str) -> None:
        number = int(rest.split()[1])
        if number in self.box.gone:
            return
        content = self.box.letters[number]
        self.wfile.write(f"* 1 FETCH (UID {number} BODY[]<0> {{{len(content)}}}\r\n".encode() + content + b")\r\n")


class Secret(Talk):
    context: ssl.SSLContext

    def setup(self) -> None:
        self.request = self.context.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
        super().setup()

    def handle(self) -> None:
        with self.request, suppress(ssl.SSLError):
            super().handle()


ANSWERS: dict[str, Callable[[Talk, str], None]] = {
    "CAPABILITY": Talk.capability,
    "LOGIN": Talk.nothing,
    "LOGOUT": Talk.nothing,
    "EXAMINE": Talk.select,
    "SEARCH": Talk.search,
    "FETCH": Talk.fetch,
}


@contextmanager
def serving(box: Box, context: ssl.SSLContext | None = None) -> Iterator[Box]:
    handler: Any = type("TalkOfThis", (Secret if context else Talk,), {"box": box, "context": context})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        box.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield box
        finally:
            server.shutdown()
            thread.join()
