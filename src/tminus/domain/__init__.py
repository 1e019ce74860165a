"""Floor 0: frozen values and pure functions. Standard library only; no input/output, clock or randomness."""
