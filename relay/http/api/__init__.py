"""The HTTP API, `/api/v1`: one module a subject, in the shape that agents' existing clients speak."""
