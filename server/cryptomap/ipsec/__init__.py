"""The domain: from the committed tree to an IPsec backend and back.

``gateway.Gateway`` puts the parts together for the daemon. The rest is one concern a file: ``scope`` (what a change
touches), ``read`` (tree -> intent), ``rules`` (commit rules), ``hooks`` (the backend as a participant of commits),
``marking`` (QoS maps), ``reapply``, ``trace``, ``state`` and ``events`` (what operators see).
"""
