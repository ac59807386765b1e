"""Notifications (RFC 5277, 8639 to 8641): what happens becomes a record, each subscription sends those it selects.

``events`` makes records of what happens in the server, ``notifier`` hands each to the log and to whoever subscribed;
``subscribe`` has the operations, ``stream_subscription`` and ``push`` the two kinds of subscriptions.
"""
