"""What routers do alike: the fence, files on disk, the route as one word, connections in flight."""
