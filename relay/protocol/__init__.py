"""Sans-I/O: no asyncio, no clock, no randomness, no database; `now` is always an argument."""
