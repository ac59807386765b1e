"""Assertions of the conformance suite explain themselves like those of a test file."""

import pytest

pytest.register_assert_rewrite("cryptomap_backend.conformance")
