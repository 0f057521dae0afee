"""The one writer: a transaction, what decisions know, what they change, and commands."""
