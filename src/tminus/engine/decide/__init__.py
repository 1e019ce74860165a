"""Pure decisions: from a state and an observation to events and commands. No port is called here."""
