"""ports.py - ports for servers that must be named before they listen."""

import socket

held = []


def reserve_port():
    """A free TCP port of the kernel's choice, which it gives to no connection and to no other test that asks for one: it is
    bound here until this process ends, and a server that sets SO_REUSEADDR can listen there nevertheless."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))  # without the option, so that no port is taken that another process has reserved
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.append(s)
    return s.getsockname()[1]
