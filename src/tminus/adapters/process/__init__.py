"""Slots as local processes under a supervisor: artifacts are directories, instances listen on loopback."""
