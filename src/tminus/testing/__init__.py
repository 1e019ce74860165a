"""Floor 3: the public kit of whoever extends tminus: contract suites of the ports, the simulated world."""
