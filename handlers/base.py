"""What a handler is: `needs` says what it must know, `admit` decides on an event.

A handler is a module with these functions and one row in `table.py`; what rows an event makes stands in `handlers/rows`. The
words it speaks in are `relay.protocol.admission` and `relay.protocol.facts`, which storage shares. What holds for every event is
looked up for every event: see `common.needs` and `facts.marks_of`.
"""

from collections.abc import Callable, Iterable

from relay.protocol.admission import Admission, Door
from relay.protocol.event import Event
from relay.protocol.facts import Facts, Need

Needs = Callable[[Event, Facts], Iterable[Need]]
Admit = Callable[[Event, Facts, int, Door], Admission]


def needs_nothing(_event: Event, _facts: Facts) -> Iterable[Need]:
    """For handlers that decide by the event alone, and by what is known of every event."""
    return ()
