"""The system clock, with a wait that a datagram ends."""
