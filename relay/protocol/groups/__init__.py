"""Groups (NIP-29) without a database, a clock or a socket: what a group is, what changes it, what the relay tells of it."""
