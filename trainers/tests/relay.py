"""A stand-in for the agent's loopback relay: records every call, and misbehaves when asked to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "loopback-token"


@dataclass(frozen=True)
class Call:
    """One callback as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def kind(self) -> str:
        return self.path.rsplit("/", 1)[-1]


class Relay:
    """Answers every POST with {"status": "ok"}; `answer` gives other replies: (status, body bytes) from a call."""

    def __init__(self, answer: Callable[[Call], tuple[int, bytes]] | None = None) -> None:
        self.calls: list[Call] = []
        self._arrived = threading.Condition()
        relay = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                call = Call(self.path, dict(self.headers), json.loads(body))
                status, reply = answer(call) if answer else (200, b'{"status": "ok"}')
                with relay._arrived:
                    relay.calls.append(call)
                    relay._arrived.notify_all()
                self.send_response(status)
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The bodies of one kind of call, in order."""
        return [call.body for call in self.calls if call.kind == kind]

    def wait_for(self, kind: str, count: int, alive: Callable[[], bool], timeout: float = 600) -> None:
        """Wait until so many calls of a kind have come; fail when the sender dies first."""

        def there() -> bool:
            return len(self.of(kind)) >= count

        with self._arrived:
            for _ in range(int(timeout * 4)):
                if self._arrived.wait_for(there, 0.25):
                    return
                if not alive():
                    break
        raise AssertionError(f"{len(self.of(kind))} of {count} {kind} calls came")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
