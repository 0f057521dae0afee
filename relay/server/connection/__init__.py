"""What a client's WebSocket connection is: taken from the listening socket, agreed on, read, acted on, written to and closed."""
