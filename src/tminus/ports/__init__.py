"""Floor 1: small protocols that the engine talks through, split by capability, and the three faults.

Every method is synchronous, has a time limit of its own, and may raise exactly the faults of
`tminus.ports.fault`. Anything else that escapes is a bug and puts the launch in hold.
"""
