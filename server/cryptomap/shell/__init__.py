"""The terminal: what an operator reads, and the interactive shell.

The shell is a NETCONF client and nothing else, so that it works wherever NETCONF does. ``language`` knows what can be
typed, by the table of ``commands`` and along the schema (``walk``); ``edits`` says it in XML; all three are pure.
``library`` gets the server's schema, ``session`` asks the server, ``shell`` is the prompt.
"""
