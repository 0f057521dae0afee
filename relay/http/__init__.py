"""The HTTP side of the relay's port: NIP-11, the first page, `/health`, the documentation. One file a subject."""
