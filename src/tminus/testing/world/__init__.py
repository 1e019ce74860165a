"""The simulated world: the real driver under a virtual clock, between faults, people and invariants."""
