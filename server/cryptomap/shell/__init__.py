"""The terminal: what an operator reads, and the interactive shell.

The shell is a NETCONF client and nothing else, so that it works wherever NETCONF does. ``language`` knows what can be
typed and ``candidate`` what an edit line means, both as pure functions on the server's schema; ``session`` asks the
server; ``shell`` is the prompt.
"""
