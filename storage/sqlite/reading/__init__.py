"""Answers from the log: filters as SQL, who sees what, and the connections that read."""
