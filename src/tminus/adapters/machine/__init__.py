"""What the machine itself has left. Must not know the services on it."""
