"""A program with a supervisor and small roles, for the tests to run, stop and kill: `python -m tests.roles.supervised CASE`.

It writes a line for everything that happens. A role says `NAME PID up`, then reads commands of its own pipe.
"""

import os
import select
import signal
import sys

from relay.roles import signals
from relay.roles.supervisor import CannotStart, Role, Supervisor, SupervisorPipes

PATIENCE = 30.0  # seconds that a role may take to end


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def worker(name: str, pipes: SupervisorPipes) -> int:
    """Lives until its supervisor ends it or the end of its supervisor."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in (signals.END, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    say(f"{name} {os.getpid()} up")
    pipes.ready()
    while True:
        ready, _, _ = select.select([reading, pipes.end], [], [])
        if pipes.end in ready:
            say(f"{name} {os.getpid()} orphaned")
            return 0
        for number in os.read(reading, 100):
            if number == signal.SIGHUP:
                say(f"{name} {os.getpid()} reloads")
            else:
                say(f"{name} {os.getpid()} ends")
                return 0


def slow(pipes: SupervisorPipes) -> int:
    """Takes its time to begin: until somebody writes a byte to the standard input."""
    say(f"slow {os.getpid()} begins")
    os.read(0, 1)
    return worker("slow", pipes)


def stubborn(pipes: SupervisorPipes) -> int:
    signal.signal(signals.END, signal.SIG_IGN)
    say(f"stubborn {os.getpid()} up")
    pipes.ready()
    select.select([pipes.end], [], [])
    return 0


def failing(pipes: SupervisorPipes) -> int:
    pipes.fail("the database is damaged")
    return 1


def raising(_pipes: SupervisorPipes) -> int:
    raise RuntimeError("unforeseen")


def descriptors(pipes: SupervisorPipes) -> int:
    say(f"descriptors {sum(map(is_open, range(3, 100)))} open")
    return worker("descriptors", pipes)


def is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def main() -> int:
    case = sys.argv[1]
    writer = Role("writer", 0, lambda pipes: worker("writer", pipes))
    fronts = [Role(name, 1, lambda pipes, name=name: worker(name, pipes)) for name in ("front1", "front2")]
    roles = {
        "plain": [writer, *fronts],
        "stubborn": [writer, Role("stubborn", 1, stubborn)],
        "slow": [Role("slow", 0, slow)],
        "failing": [writer, Role("failing", 1, failing)],
        "raising": [writer, Role("raising", 1, raising)],
        "descriptors": [writer, Role("descriptors", 1, descriptors)],
    }[case]
    patience = 0.5 if case == "stubborn" else PATIENCE
    supervisor = Supervisor(roles, patience, lambda number: say(f"cleared {roles[number].name}"))
    try:
        supervisor.run(lambda: say(f"supervisor {os.getpid()} started"))
    except CannotStart as error:
        say(f"cannot start: {error}")
        return 2
    say("supervisor ends")
    return 0


if __name__ == "__main__":
    sys.exit(main())
