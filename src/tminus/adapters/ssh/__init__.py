"""Signatures with SSH keys, in the form of `ssh-keygen -Y`."""
