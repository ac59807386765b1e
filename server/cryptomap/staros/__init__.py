"""StarOS text: configuration in and out, and show commands. Pure functions on trees.

One grammar (``tables``) serves both ways: ``reader`` takes a text apart by it, ``writer`` puts one together by it. A
command stands in one place only. ``show`` renders trees that hold state the way StarOS prints it.
"""

from cryptomap.staros.reader import Imported, Note, Reject, import_text
from cryptomap.staros.rule_lines import rule_text
from cryptomap.staros.writer import Exported, export_text

__all__ = ["Exported", "Imported", "Note", "Reject", "export_text", "import_text", "rule_text"]
