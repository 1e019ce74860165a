"""Evidence about a candidate, weighed continuously with a bounded chance of a false alarm."""
