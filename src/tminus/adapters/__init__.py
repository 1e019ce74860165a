"""Floor 2: one folder per technology, behind the ports; none imports engine, plan or another adapter."""
