"""Derived rows: what they are made of, the difference to what is stored, and making all of them again."""
