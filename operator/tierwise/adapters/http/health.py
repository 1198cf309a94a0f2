"""HTTP for probes and metrics: /healthz, /readyz, /metrics."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Page = Callable[[], tuple[int, str]]  # status, text


class HealthServer:
    """Serves pages by path on one port, in a thread of its own."""

    def __init__(self, address: str, port: int, pages: Mapping[str, Page]) -> None:
        """Raises OSError when the port is taken."""
        known = dict(pages)

        class Handler(BaseHTTPRequestHandler):
            timeout = 5

            def do_GET(self) -> None:  # the name http.server calls
                page = known.get(self.path.partition("?")[0])
                status, text = page() if page else (404, "not found\n")
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing for probes."""

        self._server = ThreadingHTTPServer((address, port), Handler)
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        """The real port, also if port 0 was given."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Serve from now on."""
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
