"""One run of a plan: slots, routes, phases, commands, events and the state folded from them."""
