"""A small believable world, every page of it, and pictures of them all (`make shots`)."""
