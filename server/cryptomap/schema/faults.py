"""What is raised when YANG modules cannot be used."""

from __future__ import annotations

__all__ = ["SchemaFault"]


class SchemaFault(Exception):
    """The YANG modules cannot be used. One line: the file, the line, and what is wrong there."""
