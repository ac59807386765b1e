"""Transactions: running, candidate and startup as references to immutable trees, made durable commit by commit."""
