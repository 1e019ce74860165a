"""Floor 2: one folder per technology, behind the ports; none imports the engine, the plan or another adapter."""
