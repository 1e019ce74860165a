"""Questions to Redis and what speaks its protocol. Must not change anything there."""
