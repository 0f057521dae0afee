"""A history in network namespaces: run by `unshare`, as the root of a user namespace that has a network of its own.

Each relay has a namespace with a link to here, over which it is asked and told, and one to each of the others, which can be cut.
"""

import asyncio
import faulthandler
import itertools
import subprocess
import sys
from pathlib import Path

from tests.e2e.harness import PATIENCE, Server
from tests.federation.playing import Loopback, Play

PORT = 7447


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"ip {' '.join(words)}: {done.stderr.decode().strip()}")


class Namespaces(Loopback):
    """`count` namespaces r0, r1, …"""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self._cut: set[tuple[int, int]] = set()
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        Path("/run/netns").mkdir()
        for at in range(count):
            ip("netns", "add", f"r{at}")
            ip("-n", f"r{at}", "link", "set", "lo", "up")
            ip("link", "add", f"to{at}", "type", "veth", "peer", "name", "here", "netns", f"r{at}")
            ip("addr", "add", f"10.77.{at}.254/24", "dev", f"to{at}")
            ip("link", "set", f"to{at}", "up")
            self._up(f"r{at}", "here", f"10.77.{at}.1/24")
        for one, other in itertools.combinations(range(count), 2):
            ip(
                "-n",
                f"r{one}",
                "link",
                "add",
                f"to{other}",
                "type",
                "veth",
                "peer",
                "name",
                f"to{one}",
                "netns",
                f"r{other}",
            )
            self._up(f"r{one}", f"to{other}", f"{self._address(one, other)}/24")
            self._up(f"r{other}", f"to{one}", f"{self._address(other, one)}/24")

    @staticmethod
    def _up(namespace: str, link: str, address: str) -> None:
        ip("-n", namespace, "addr", "add", address, "dev", link)
        ip("-n", namespace, "link", "set", link, "up")

    @staticmethod
    def _address(of: int, towards: int) -> str:
        """The address of a relay on its link to another."""
        return f"10.78.{10 * min(of, towards) + max(of, towards)}.{1 + (of > towards)}"

    def start(self, at: int, data: Path, file: Path, skew: int) -> Server:
        within = ("ip", "netns", "exec", f"r{at}", sys.executable, "-m", "tests.federation.skewed", str(skew))
        server = Server(data, file=file, port=PORT, listen="0.0.0.0", program=within)
        server.url = f"ws://10.77.{at}.1:{PORT}"
        return server

    def url(self, of: int, seen_from: int) -> str:
        return f"ws://{self._address(of, seen_from)}:{PORT}"

    def cut(self, one: int, other: int) -> None:
        self._cut.add((one, other))
        ip("-n", f"r{one}", "link", "set", f"to{other}", "down")

    def heal(self) -> None:
        for one, other in self._cut:
            ip("-n", f"r{one}", "link", "set", f"to{other}", "up")
        self._cut.clear()


def main() -> None:
    if sys.argv[1] == "--try":
        Namespaces(2)
        return
    faulthandler.dump_traceback_later(5 * PATIENCE)  # a history that does not come to its end says where it stands
    directory, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    one_sided = sys.argv[4:] == ["--one-sided"]
    asyncio.run(Play(directory, seed, count, Namespaces(count), one_sided=one_sided).run())


if __name__ == "__main__":
    main()
