"""Images and containers through the Docker Engine API, which Podman speaks too, and the registry's."""
