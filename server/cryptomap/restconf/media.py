"""Which media types a client takes and sends (RFC 8040 sections 3.2 and 5.2; RFC 9110 section 12.5.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cryptomap.restconf.faults import NotAcceptable, UnsupportedMediaType
from cryptomap.restconf.messages import JSON, XML

__all__ = ["DATA", "PATCH", "accepted", "content_type"]

DATA: Final = (JSON, XML)
"""What resources are written in; the first one is preferred."""

PATCH: Final = ("application/yang-patch+json", "application/yang-patch+xml")


def accepted(headers: Mapping[str, str], offered: Sequence[str] = DATA) -> str:
    """The media type for a response, the best that the client takes. Raises NotAcceptable."""
    header = headers.get("accept", "").strip()
    if not header:
        return offered[0]
    wishes = [_wish(item) for item in header.split(",")]
    quality, best = max(
        ((_quality(wishes, media), -position) for position, media in enumerate(offered)), default=(0.0, 0)
    )
    if quality <= 0:
        raise NotAcceptable(f"this comes as {' or '.join(offered)}", error_type="protocol")
    return offered[-best]


def content_type(headers: Mapping[str, str], taken: Sequence[str] = DATA) -> str:
    """The media type of a request's body. Raises UnsupportedMediaType."""
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in taken:
        was = f"not {media[:60]}" if media else "and its Content-Type says which"
        raise UnsupportedMediaType(f"the body is to be {' or '.join(taken)}, {was}", error_type="protocol")
    return media


def _wish(item: str) -> tuple[str, float]:
    media, *parameters = [part.strip() for part in item.split(";")]
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            quality = _number(value.strip())
    return media.lower(), quality


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _quality(wishes: list[tuple[str, float]], media: str) -> float:
    """By the most specific range that covers the media type."""
    for covers in (media, f"{media.partition('/')[0]}/*", "*/*"):
        for wish, quality in wishes:
            if wish == covers:
                return quality
    return 0.0
