"""The supervisor: a small daemon that keeps programs and listening sockets alive whoever asked for them.

Only the standard library, `tminus.ports` and `tminus.domain` are imported here, so that it starts quickly.
"""
