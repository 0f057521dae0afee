"""What a handler is: `admit` decides on an event, `touches` names the derived rows that depend on it.

A handler is a module with these two functions and one row in `table.py`. The words it speaks in (Admission, Known, Door) are
`relay.protocol.admission`, which storage shares.
"""

from collections.abc import Callable

from relay.protocol.admission import Admission, Door, Key, Known
from relay.protocol.event import Event

Admit = Callable[[Event, Known, int, Door], Admission]
Touches = Callable[[Event], tuple[Key, ...]]


def touches_nothing(_event: Event) -> tuple[Key, ...]:
    """For events that no derived row depends on."""
    return ()
