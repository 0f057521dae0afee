"""A writer and a search role under a supervisor, without fronts, for tests: `python -m tests.roles.search_process DIRECTORY`.

The sockets are `writer.sock` and `search.sock` in the directory. It says `NAME PID` for every role that starts.
"""

import logging
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path

import msgspec

from relay import opening
from relay.config import Config
from relay.roles import signals
from relay.roles.page import SharedPage
from relay.roles.search import SettingsInForce
from relay.roles.supervisor import Role, Supervisor, SupervisorPipes
from relay.roles.writer import WriterRole
from storage.command_codec import decode


def listening(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen(16)
    return sock


def report(place: str, error: BaseException) -> None:
    logging.getLogger("tidings").error("%s failed", place, exc_info=error)


def main() -> None:
    directory = Path(sys.argv[1])
    config = msgspec.convert({"server": {"data": str(directory)}, "search": {"kinds": [1]}}, Config)
    page = SharedPage(("front", "writer", "search"), fronts=1, addresses=10)
    kept = SettingsInForce()
    writing, asking = (listening(directory / name) for name in ("writer.sock", "search.sock"))

    def writer(pipes: SupervisorPipes) -> int:
        print(f"writer {os.getpid()}", flush=True)
        store = opening.open_writer(config)
        role = WriterRole(store, page, decode, report)
        role.links.listen(writing)
        signal.signal(signals.END, lambda *_: role.stop())
        pipes.ready()
        role.run([pipes.end])
        store.close()
        return 0

    def searching(pipes: SupervisorPipes) -> int:
        import uvloop

        from relay import search

        print(f"search {os.getpid()}", flush=True)
        path = str(directory / "writer.sock")
        reader = partial(opening.open_reader, config)
        return int(
            uvloop.run(
                search.run_role(config, page, 2, pipes, reader=reader, writer_path=path, listener=asking, kept=kept)
            )
        )

    roles = [Role("writer", 0, writer, [writing.fileno()]), Role("search", 1, searching, [asking.fileno()])]
    Supervisor(roles, 5.0, page.clear).run(lambda: print("started", flush=True))


if __name__ == "__main__":
    logging.basicConfig()
    main()
