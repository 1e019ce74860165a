"""The HTTP endpoint of the agent: figures out, alerts in."""
