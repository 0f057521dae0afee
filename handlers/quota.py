"""How much knowledge one key may keep here: every passage costs a vector, in memory too."""

from relay.errors import Prefix, Reject
from relay.protocol.admission import Known
from relay.protocol.event import Event


def check_chunks(event: Event, replaces: str | None, known: Known, most: int) -> None:
    """Raises Reject(restricted) where the key would have more than `most` passages; what it has may always get less.

    `replaces`: id of the version that leaves as this one comes.
    """
    former = None if replaces is None else known.get(replaces)
    before = known.chunks_of(event.pubkey)
    after = before + known.chunks_in(event) - (0 if former is None else known.chunks_in(former))
    if after > most and after > before:
        raise Reject(
            Prefix.RESTRICTED,
            f"this key would have {after:,} passages of knowledge; this relay keeps {most:,} for a key, so delete some first",
        )
