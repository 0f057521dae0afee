"""What a front answers from the log, and who may read what."""
