"""HAProxy as router: one map value is the route, stick tables count, distrust and hold the lease."""
