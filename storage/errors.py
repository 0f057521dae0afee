"""What storage raises."""


class StorageError(Exception):
    """The database cannot do what is asked; the message says what to do about it."""


class Locked(StorageError):
    """Another process writes this data directory."""


class TooCostly(StorageError):
    """A query went over its bound; a narrower filter will do."""
