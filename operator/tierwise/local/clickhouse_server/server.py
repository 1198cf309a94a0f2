"""An HTTP endpoint in ClickHouse's protocol over one embedded engine, so that several processes share one store."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from tierwise.local.clickhouse_server.engine import Engine
from tierwise.local.clickhouse_server.protocol import Handler, Listener


class StoreServer:
    """Serves one directory on host:port until `close`.

    With `user` and `password` every query needs them; without, the server must only listen on loopback.
    """

    def __init__(
        self, path: Path, *, host: str = "127.0.0.1", port: int = 0, user: str = "default", password: str = ""
    ) -> None:
        path.mkdir(parents=True, exist_ok=True)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server_class = type("_BoundServer", (Listener,), {"address_family": family})
        # Open the port first: if it is taken, no engine must stay open.
        self._server: Listener = server_class((host, port), Handler)
        try:
            self._server.engine = Engine(path)
        except BaseException:
            self._server.server_close()
            raise
        self._server.credentials = (user, password) if password else None
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="store-http", daemon=True)
        self._thread.start()
        self.host, self.port = host, int(self._server.server_address[1])

    @property
    def dsn(self) -> str:
        """The DSN for clients, without the password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"clickhouse://{host}:{self.port}/default"

    def close(self) -> None:
        """Stop listening, finish the query that runs, close the engine."""
        self._server.shutdown()
        self._server.server_close()
        self._server.engine.close()
        self._server.wait_until_idle(5)
        self._thread.join(timeout=10)
