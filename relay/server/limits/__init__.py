"""What one client may take of a front: who may connect, how fast, how much at a time."""
