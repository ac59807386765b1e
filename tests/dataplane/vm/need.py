"""A missing tool skips a test where somebody works, and fails it in continuous integration."""

from __future__ import annotations

import os

import pytest

__all__ = ["need"]


def need(reason: str | None) -> None:
    """Skip for this reason, if there is one; with CI=true fail instead."""
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"not skipped in CI: {reason}")
    if reason:
        pytest.skip(reason)
