"""Posting identities and users as the doors see them: registering, tokens, keys, claims, and what is signed for them."""
