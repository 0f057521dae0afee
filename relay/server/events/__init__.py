"""An event's way through a front: policies, signature, the writer, and from the log to whoever wants it."""
