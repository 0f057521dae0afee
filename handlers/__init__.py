"""What an event means: one module a family of kinds, one row each in `table.py`."""
