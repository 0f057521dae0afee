"""`python -m relay` is `tidings`."""

from relay.cli import main

main(prog_name="tidings")
