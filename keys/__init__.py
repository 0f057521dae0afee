"""Who someone is: signatures, encodings and proofs of a key."""
