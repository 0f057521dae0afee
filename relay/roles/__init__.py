"""The processes of a running relay: what each does, how they are started, and how they talk to each other."""
