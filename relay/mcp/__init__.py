"""A hub for models: an MCP server (Model Context Protocol) that is a client of the hub's HTTP API."""
