"""Floor 3: the public kit for whoever extends tminus: contract suites for the ports, and the simulated world."""
