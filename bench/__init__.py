"""The load generator: measures this relay, or any other, over its own protocol. It reads the relay's code only to make events."""
