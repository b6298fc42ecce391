"""A stand-in for Elasticsearch that only acknowledges: it reads a bulk request, counts its documents and says yes."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator

BODY = b'{"errors":false}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
LARGEST = 1 << 24
DEAD_LETTER = b'{"create":{"_index":"model-deadletters-'


class Acknowledger:
    """The server.

    Attributes
    ----------
    documents : number of acknowledged documents.
    dead_letters : how many of them are dead letters.
    """

    def __init__(self) -> None:
        self.documents = 0
        self.dead_letters = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))

    @property
    def url(self) -> str:
        """Return the address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextlib.contextmanager
    def serving(self) -> Iterator[Acknowledger]:
        """Serve while the block runs."""
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def count(self, body: memoryview) -> None:
        """Count the documents of a request: two lines each."""
        data = bytes(body)
        number, dead_letters = data.count(b"\n") // 2, data.count(DEAD_LETTER)
        with self._lock:
            self.documents += number
            self.dead_letters += dead_letters


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def _handler(server: Acknowledger) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        disable_nagle_algorithm = True

        def handle(self) -> None:
            buffer = memoryview(bytearray(LARGEST))
            with contextlib.suppress(ConnectionError, socket.timeout):
                while (length := self._length()) is not None:
                    body = buffer[:length]
                    self.rfile.readinto(body)
                    server.count(body)
                    self.request.sendall(ANSWER)

        def _length(self) -> int | None:
            """Read the head of a request; return the length of its body, None at the end of the connection."""
            length = None
            while (line := self.rfile.readline()) not in (b"", b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            return length

    return Handler
