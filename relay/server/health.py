"""How a running relay does: the figures of all its roles together, and which of them is in trouble, as the shared page has it."""

import msgspec

from relay.roles.page import FAULTY, SILENT, UNWRITABLE, SharedPage
from storage.search.engine import SearchHealth


class RoleHealth(msgspec.Struct, frozen=True):
    """How one role of the relay is doing; with one process, the roles in it."""

    name: str
    status: str  # ok, degraded, unwritable, busy (one command takes long), silent (it does not answer), down (it starts again)
    problem: str | None = None


class Health(msgspec.Struct, frozen=True):
    """What `/health` tells of a running relay. Times are seconds."""

    status: str  # ok, degraded (see `problem`) or draining
    takes_events: bool
    uptime: int
    connections: int
    subscriptions: int
    waiting: int  # events that have no answer yet
    stored: int  # since the start, as all that follows until last_seq
    refused: int
    dropped: int  # because they were past their days (`[[retention]]`)
    delivered: int
    plugin_accepted: int  # events that the operator's write policy plugin decided on, as the next two
    plugin_rejected: int
    plugin_shadow_rejected: int
    plugin_failed: int  # events that it did not decide on, since it failed
    last_seq: int
    rebuilding: int  # derived rows looked at so far by a rebuild that goes on; 0: none does
    later_parts: int  # parts that are done of what changes of groups and rows left to do, where that takes long; 0: nothing is left
    peers: int  # relays to stay in step with
    peers_in_step: int
    peers_comparing: int  # of those, with which everything is being compared for the first time
    search: SearchHealth
    roles: list[RoleHealth]
    problem: str | None = None


def roles_of(page: SharedPage) -> list[RoleHealth]:
    """How each role does now; without those that were never started."""
    began = [role for role in range(len(page.roles)) if page.count(role, "pid") or page.count(role, "ended")]
    return [_role_health(page, role) for role in began]


def _role_health(page: SharedPage, role: int) -> RoleHealth:
    name, state = page.roles[role], page.count(role, "degraded")
    if not page.count(role, "pid"):
        return RoleHealth(name, "down", f"the {name} is down; it is being started again")
    if page.silence(role) > SILENT and page.count(role, "busy"):
        return RoleHealth(name, "busy", f"the {name} is at one command for {page.silence(role):.0f} s; events wait")
    if page.silence(role) > SILENT:
        return RoleHealth(name, "silent", f"the {name} has not answered for {page.silence(role):.0f} s")
    if state == UNWRITABLE:
        return RoleHealth(name, "unwritable", f"the {name} could not store what it was given last; the log says why")
    if page.count(role, "plugin_down"):
        return RoleHealth(name, "degraded", f"the write policy plugin of the {name} failed; the log says why")
    if state == FAULTY:
        return RoleHealth(name, "degraded", f"something failed in the {name}; the log says more")
    return RoleHealth(name, "ok")
