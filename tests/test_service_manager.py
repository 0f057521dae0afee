"""What a relay is given by a service manager, and what it tells one."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay import service_manager
from relay.setting_parts import ConfigError


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.setblocking(False)
        yield sock


def test_it_is_told_at_the_path_it_names(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    service_manager.tell(service_manager.UP)
    service_manager.tell(service_manager.ENDING)
    assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"STOPPING=1"]


def test_it_is_told_at_an_abstract_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("")  # the system chooses an abstract one
        sock.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + sock.getsockname()[1:].decode())
        service_manager.tell(service_manager.UP)
        assert sock.recv(100) == b"READY=1"


@pytest.mark.parametrize("name", ["nobody/here", "x" * 200])
def test_where_nobody_listens_the_log_says_so_and_the_relay_goes_on(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / name))
    service_manager.tell(service_manager.UP)
    assert "NOTIFY_SOCKET" in caplog.text


def _pass(monkeypatch: pytest.MonkeyPatch, sock: socket.socket, number: str = "1", pid: int | None = None) -> None:
    monkeypatch.setattr(service_manager, "FIRST_GIVEN", sock.detach())
    monkeypatch.setenv("LISTEN_FDS", number)
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() if pid is None else pid))


def test_a_listening_socket_is_taken_once_and_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    address = sock.getsockname()
    _pass(monkeypatch, sock)
    with service_manager.given_socket() or socket.socket() as taken:
        assert taken.getsockname() == address
        assert not taken.get_inheritable()
    assert service_manager.given_socket() is None


def test_what_is_meant_for_another_process_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        _pass(monkeypatch, sock.dup(), pid=os.getpid() + 1)
        assert service_manager.given_socket() is None
        os.close(service_manager.FIRST_GIVEN)


@pytest.mark.parametrize("number", ["2", "-1", "several"])
def test_more_than_one_socket_is_refused(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        _pass(monkeypatch, sock.dup(), number)
        with pytest.raises(ConfigError, match="takes one socket"):
            service_manager.given_socket()
        os.close(service_manager.FIRST_GIVEN)


@pytest.mark.parametrize(
    "sock",
    [
        pytest.param(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM), id="UDP"),
        pytest.param(lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), id="a Unix socket"),
        pytest.param(socket.socket, id="one that does not listen"),
    ],
)
def test_another_sort_of_socket_is_refused(sock: type[socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    _pass(monkeypatch, sock())
    with pytest.raises(ConfigError, match="no TCP socket that listens"):
        service_manager.given_socket()


def test_what_is_no_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "file").open("w") as file:
        _pass(monkeypatch, socket.socket())
        os.close(service_manager.FIRST_GIVEN)
        monkeypatch.setattr(service_manager, "FIRST_GIVEN", file.fileno())
        with pytest.raises(ConfigError, match="is no socket"):
            service_manager.given_socket()
