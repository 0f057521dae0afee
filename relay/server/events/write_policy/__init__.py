"""The operator's write policy: a program that is asked about each event (strfry's contract), and what waits for its answers."""
