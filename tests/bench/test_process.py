import os
import subprocess
import sys

from bench.process import on_one_core


def test_a_relay_and_who_asks_it_share_a_core_for_a_while() -> None:
    before = os.sched_getaffinity(0)
    relay = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with on_one_core(relay.pid):
            assert os.sched_getaffinity(0) == os.sched_getaffinity(relay.pid) == {min(before)}
        assert os.sched_getaffinity(0) == os.sched_getaffinity(relay.pid) == before
    finally:
        relay.communicate(b"\n")


def test_all_cores_are_there_again_after_a_relay_that_went_away() -> None:
    before = os.sched_getaffinity(0)
    relay = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with on_one_core(relay.pid):
        relay.communicate(b"\n")
    assert os.sched_getaffinity(0) == before
