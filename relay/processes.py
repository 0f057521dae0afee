"""A relay as processes: a supervisor, the writer, search, and as many fronts as the settings say.

This is wiring: which role gets which sockets, in which order they start, and what each does with its settings. What a role is
stands in `relay.roles` and `relay.server`; the same parts in one process are `relay.app.serve`.

What is inherited: the listening socket (fronts), the control socket (the first front), the listening ends of the writer's, the
search role's and the peers role's own sockets, the lock of the data directory (all, so that a supervisor that is killed leaves it
locked until the last of its roles has ended), and the shared page. Whatever a role opens itself it opens after the fork.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from keys.vault import VaultError
from relay import app, greeting, opening, service_manager, starting
from relay.config import Config
from relay.loading import reload
from relay.roles import signals
from relay.roles.page import SharedPage
from relay.roles.search import SettingsInForce
from relay.roles.supervisor import CannotStart, Role, Supervisor, SupervisorPipes
from relay.roles.writer import WriterRole
from relay.server import control, control_messages
from relay.server.connection import listener
from relay.server.events import link
from relay.server.settings import Settings
from relay.server.supervision import Faults, Tasks
from relay.setting_parts import ConfigError
from storage.base import Reader
from storage.command_codec import decode
from storage.commands import ListMembers
from storage.errors import StorageError
from storage.sqlite.files import database_file
from storage.sqlite.tools import SqliteStore

WRITER_SOCKET: Final = "writer.sock"
SEARCH_SOCKET: Final = "search.sock"
PEERS_SOCKET: Final = "peers.sock"
EXTRA_PATIENCE: Final = 3.0  # seconds beyond `server.drain_timeout` that a role has to end
_BACKLOG: Final = 128

log = logging.getLogger("tidings")

Load = Callable[[], Config]


class ProcessPlan(msgspec.Struct, frozen=True):
    """What every role is given at its fork."""

    config: Config
    load: Load
    page: SharedPage
    url: str
    writer: str  # paths of sockets
    search: str
    peers: str

    async def open_reader(self, config: Config) -> SqliteStore:
        """The database as every role but the writer reads it: each front, search, and peers."""
        return await opening.open_reader(config, len(self.page.roles) - 1, self.page)


def fronts(config: Config) -> int:
    """How many fronts there are: the setting, else one fewer than the cores."""
    return config.server.fronts or max(1, len(os.sched_getaffinity(0)) - 1)


def run(
    config: Config, lock: database_file.Lock, sock: socket.socket, ready: Callable[[str], None], load: Load
) -> None:
    """Run a relay on `sock` until SIGTERM or SIGINT. `ready` is given what to tell a person once it is up.

    `lock` is the data directory's. Raises ConfigError, StorageError and ControlError where it cannot start.
    """
    gc.disable()  # all that is made until the roles start stays
    import uvloop  # noqa: F401, as the next two: once for all roles

    from relay.federation import role as _role  # noqa: F401
    from relay.http import app as http
    from relay.http import deliveries, link_previews  # noqa: F401

    http.load(config)
    data = Path(config.server.data)
    with contextlib.ExitStack() as stack:
        ends = {
            name: stack.enter_context(_inner_socket(data / name))
            for name in (WRITER_SOCKET, SEARCH_SOCKET, PEERS_SOCKET)
        }
        commands = stack.enter_context(control.listening(data))
        number = fronts(config)
        names = (*(f"front {n + 1}" for n in range(number)), "writer", "search", "peers")
        page = SharedPage(names, number, app.addresses(config))
        plan = ProcessPlan(config, load, page, starting.url_of(sock, "ws"), *(str(data / name) for name in ends))
        roles = _roles(plan, lock, sock, commands, ends)
        gc.collect()
        gc.freeze()  # what is here now is shared by all roles, as long as the collector does not touch it
        gc.enable()

        def up() -> None:
            ready(greeting.text(config, starting.url_of(sock, "http")))
            service_manager.tell(service_manager.UP)

        def ending() -> None:
            service_manager.tell(service_manager.ENDING)
            sock.close()

        supervisor = Supervisor(roles, config.server.drain_timeout + EXTRA_PATIENCE, page.clear, ending=ending)
        try:
            supervisor.run(up)
        except CannotStart as error:
            kind, _, reason = str(error).partition("\n")
            raise (ConfigError if kind == ConfigError.__name__ else StorageError)(reason or kind) from None
        log.info("stopped")


def _roles(
    plan: ProcessPlan,
    lock: database_file.Lock,
    sock: socket.socket,
    commands: socket.socket,
    ends: dict[str, socket.socket],
) -> list[Role]:
    """Every process beside the supervisor, with what it inherits: fronts serve `sock`, and the first of them `commands` too."""
    names, numbers = plan.page.roles, range(plan.page.fronts)
    writer, search, peers = (ends[name] for name in (WRITER_SOCKET, SEARCH_SOCKET, PEERS_SOCKET))
    return [
        *(
            Role(
                names[n],
                2,
                partial(_front, plan, n, sock, commands if n == 0 else None),
                [lock.fileno(), sock.fileno(), *([commands.fileno()] if n == 0 else [])],
            )
            for n in numbers
        ),
        Role("writer", 0, partial(_writer, plan, writer), [lock.fileno(), writer.fileno()]),
        Role("search", 1, partial(_search, plan, search, SettingsInForce()), [search.fileno()]),
        Role("peers", 1, partial(_peers, plan, peers), [peers.fileno()]),
    ]


@contextlib.contextmanager
def _inner_socket(path: Path) -> Any:
    """A listening Unix socket for roles alone, removed at the end; the lock says that no other relay uses it."""
    control_messages.check_path(path)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path} is in the way: {error.strerror}; move it elsewhere") from None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        previous = os.umask(0o177)
        try:
            sock.bind(str(path))
        except OSError as error:
            raise StorageError(f"{path} cannot be made: {error.strerror}") from None
        finally:
            os.umask(previous)
        sock.listen(_BACKLOG)
        try:
            yield sock
        finally:
            with contextlib.suppress(OSError):  # the disk may only be read by now
                path.unlink()


def _run_role(work: Callable[[], int], pipes: SupervisorPipes) -> int:
    """The whole life of a role, its exit status; where it cannot start, the supervisor is told why."""
    try:
        return work()
    except (ConfigError, StorageError, VaultError, control_messages.ControlError) as error:
        kind = ConfigError if isinstance(error, ConfigError | VaultError) else StorageError
        pipes.fail(f"{kind.__name__}\n{error}")
        return 1


def _settings(plan: ProcessPlan) -> Config:
    """The settings in force: those of the start, with what was reloaded since where this role is started again."""
    if not plan.page.position().number:
        return plan.config
    try:
        return reload(plan.config, plan.load())[0]
    except ConfigError as error:
        log.error(
            "the settings cannot be read; until the next reload those of the start hold in what is started again: %s",
            error,
        )
        return plan.config


def _reloaded(plan: ProcessPlan, current: Config) -> Config:
    """The settings read again, as far as they can change while running; a front tells what could not be read."""
    try:
        return reload(current, plan.load())[0]
    except ConfigError:
        return current


# the writer


def _writer(plan: ProcessPlan, end: socket.socket, pipes: SupervisorPipes) -> int:
    return _run_role(partial(_write, plan, end, pipes), pipes)


def _write(plan: ProcessPlan, end: socket.socket, pipes: SupervisorPipes) -> int:
    config = _settings(plan)
    faults = Faults()
    writer = opening.open_writer(config, plan.url, is_locked=True, was_there=bool(plan.page.position().number))
    try:
        opening.prepare_writer(config, writer)
        role = WriterRole(writer, plan.page, decode, faults.report)
        writer.execute(ListMembers(config.identities.members), int(time.time()))
        role.links.listen(end)
        signal.signal(signals.END, lambda *_: role.stop())
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        gc.set_threshold(*app.COLLECT)
        pipes.ready()
        role.run([pipes.end])
    finally:
        writer.close()
    return 0


# search


def _search(plan: ProcessPlan, end: socket.socket, kept: SettingsInForce, pipes: SupervisorPipes) -> int:
    return _run_role(lambda: _looped(_answer(plan, end, kept, pipes)), pipes)


async def _answer(plan: ProcessPlan, end: socket.socket, kept: SettingsInForce, pipes: SupervisorPipes) -> int:
    from relay import search  # it loads what no other role may

    config = _settings(plan)
    return await search.run_role(
        config,
        plan.page,
        plan.page.roles.index("search"),
        pipes,
        reader=partial(plan.open_reader, config),
        writer_path=plan.writer,
        listener=end,
        kept=kept,
    )


# peers


def _peers(plan: ProcessPlan, end: socket.socket, pipes: SupervisorPipes) -> int:
    return _run_role(lambda: _looped(_federate(plan, end, pipes)), pipes)


async def _federate(plan: ProcessPlan, end: socket.socket, pipes: SupervisorPipes) -> int:
    from relay.federation import role

    config = _settings(plan)

    async def unlock(store: Reader) -> bytes:
        return opening.unlock(config, await store.ask(lambda tables: tables.secret_check())).secret

    gc.set_threshold(*app.COLLECT)
    return await role.run_role(
        Settings(config, opening.relay_url(config, plan.url)),
        plan.page,
        plan.page.roles.index("peers"),
        pipes,
        reader=partial(plan.open_reader, config),
        unlock=unlock,
        reload=partial(_reloaded, plan),
        writer_path=plan.writer,
        listener=end,
    )


# a front


def _front(
    plan: ProcessPlan, number: int, sock: socket.socket, commands: socket.socket | None, pipes: SupervisorPipes
) -> int:
    return _run_role(lambda: _looped(_serve(plan, number, sock, commands, pipes)), pipes)


def _looped(work: Coroutine[Any, Any, int]) -> int:
    import uvloop

    return int(uvloop.run(work))


async def _serve(
    plan: ProcessPlan, number: int, sock: socket.socket, commands: socket.socket | None, pipes: SupervisorPipes
) -> int:
    from relay.http import app as http
    from relay.http.deliveries import delivering
    from relay.http.link_previews import previewing

    loop = asyncio.get_running_loop()
    loop.add_reader(pipes.end, os._exit, 1)  # the supervisor is gone
    config = _settings(plan)
    faults = Faults()
    loop.set_exception_handler(faults.handle)
    async with contextlib.AsyncExitStack() as stack:
        store = await plan.open_reader(config)
        stack.push_async_callback(store.close)
        secrets = opening.unlock(config, await store.ask(lambda tables: tables.secret_check()))
        settings = Settings(config, opening.relay_url(config, plan.url))
        hub = app.make_hub(settings, plan.page, store, secrets, faults=faults, role=number)
        tasks = Tasks(faults)
        stack.push_async_callback(tasks.close)
        stack.push_async_callback(hub.close)
        tasks.repeat(partial(link.keep, hub.ingest.link, plan.writer), "the link to the writer")
        stack.push_async_callback(hub.identities.close)
        await hub.rules.look()
        await app.comparing(hub, plan.peers)
        site = await stack.enter_async_context(app.searching(hub, store, plan.search))
        server = listener.make(hub.shared, http.build(site))
        loop.add_signal_handler(signals.END, app.stop, server, hub)
        loop.add_signal_handler(signal.SIGHUP, app.reconfigure, hub, plan.load)
        if commands is not None:
            controlled = control.Control(site)
            await controlled.serve(commands)
            stack.push_async_callback(controlled.close)
            await stack.enter_async_context(delivering(site))
            await stack.enter_async_context(previewing(site, hub.ingest.execute))
            await site.introduce()
        gc.freeze()  # what is here now stays
        gc.set_threshold(*app.COLLECT)
        pipes.ready()
        await server.serve(sockets=[sock])
    sys.stdout.flush()
    return 0
