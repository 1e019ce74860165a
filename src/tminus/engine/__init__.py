"""Floor 2: observe, decide, perform. The only place that acts; what it decides is pure."""
