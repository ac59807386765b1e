"""Prometheus metrics: what happened is counted as it happens, what is so is asked for when somebody looks."""
