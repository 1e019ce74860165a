"""Secret values by reference, from the environment, files and commands."""
