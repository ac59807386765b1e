"""RESTCONF (RFC 8040): the same data, rules and history over HTTP.

``handle`` answers a request that has been read and authenticated; it knows no sockets. ``app`` and ``listener`` are
what stands around it. Each kind of resource has its file: ``retrieve`` and ``edit`` for data, ``patch`` for YANG Patch,
``invoke`` for operations and actions, ``events`` for streams, ``api`` for what says what there is.
"""
