"""Search: models, vectors and how both ways of finding are weighed. `engine` is what the rest of the relay knows of it.

What asks tables stands with the backend (`storage.sqlite.search`).
"""
