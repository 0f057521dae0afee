"""The asyncio side: sockets, the ingest pipeline, fan-out, policies and limits."""
