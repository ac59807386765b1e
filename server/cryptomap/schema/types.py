"""All YANG types, one class per built-in type; see :class:`Type` for what they have in common."""

from cryptomap.schema.type_base import Names, Prefixes, Type, TypeFault
from cryptomap.schema.type_references import (
    IdentityrefType,
    InstanceIdentifierType,
    LeafrefType,
    UnionType,
    XPathType,
)
from cryptomap.schema.type_scalars import (
    INTEGER_BOUNDS,
    BinaryType,
    BitsType,
    BooleanType,
    Bounds,
    Decimal64Type,
    EmptyType,
    EnumerationType,
    IntegerType,
    Pattern,
    StringType,
)

__all__ = [
    "INTEGER_BOUNDS",
    "BinaryType",
    "BitsType",
    "BooleanType",
    "Bounds",
    "Decimal64Type",
    "EmptyType",
    "EnumerationType",
    "IdentityrefType",
    "InstanceIdentifierType",
    "IntegerType",
    "LeafrefType",
    "Names",
    "Pattern",
    "Prefixes",
    "StringType",
    "Type",
    "TypeFault",
    "UnionType",
    "XPathType",
]
