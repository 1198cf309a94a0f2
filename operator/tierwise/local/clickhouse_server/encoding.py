"""Bodies of the store server's requests and responses: forms, encodings, content types."""

from __future__ import annotations

import gzip
import zlib
from email.parser import BytesParser
from email.policy import HTTP

from tierwise.local.clickhouse_server.engine import EngineError


def form_fields(content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a multipart form."""
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n" + body
    )
    fields: dict[str, str] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if part.get_filename() is not None:
            raise EngineError("External data is not supported", "NOT_IMPLEMENTED", 48, status=501)
        if isinstance(name, str) and isinstance(payload, bytes):
            fields[name] = payload.decode("utf-8", "surrogateescape")
    return fields


def decompress(body: bytes, encoding: str) -> bytes:
    """The body of a request without its Content-Encoding."""
    try:
        match encoding:
            case "" | "identity":
                return body
            case "gzip":
                return gzip.decompress(body)
            case "deflate":
                return _inflate(body)
            case "lz4":
                return _frames(body)
            case "zstd":
                from backports import zstd

                return zstd.decompress(body)
    except Exception as error:  # noqa: BLE001  # each codec has its own errors; all mean a body that is not what it says
        message = f"Cannot decompress the {encoding} body: {error}"
        raise EngineError(message, "CANNOT_DECOMPRESS", 271, status=400) from None
    raise EngineError(f"Unknown Content-Encoding {encoding[:40]!r}", "UNKNOWN_COMPRESSION_METHOD", 89, status=400)


def _frames(body: bytes) -> bytes:
    """Decompress all LZ4 frames. Clients send one per block of rows; `lz4.frame.decompress` reads only the first."""
    import lz4.frame  # type: ignore[import-untyped, unused-ignore]

    parts: list[bytes] = []
    while body or not parts:
        frame = lz4.frame.LZ4FrameDecompressor()
        parts.append(frame.decompress(body))
        if not frame.eof:
            raise ValueError("a frame ends early")
        body = frame.unused_data or b""
    return b"".join(parts)


def _inflate(body: bytes) -> bytes:
    """Decompress one zlib stream. Raise if anything follows it, so that no rows are lost without an error."""
    stream = zlib.decompressobj()
    data = stream.decompress(body) + stream.flush()
    if not stream.eof or stream.unused_data:
        raise ValueError("not one whole stream")
    return data


def compress(body: bytes, accepted: str) -> tuple[bytes, str]:
    """The body in the first encoding that both the client and this server know, and its name ('' for none)."""
    offered = [part.split(";")[0].strip().lower() for part in accepted.split(",")]
    for encoding in offered:
        match encoding:
            case "lz4":
                import lz4.frame  # type: ignore[import-untyped, unused-ignore]

                return bytes(lz4.frame.compress(body)), encoding
            case "zstd":
                from backports import zstd

                return zstd.compress(body), encoding
            case "gzip":
                return gzip.compress(body, compresslevel=1), encoding
            case "deflate":
                return zlib.compress(body, 1), encoding
    return body, ""


def content_type_of(name: str) -> str:
    """The Content-Type of a ClickHouse format."""
    if name.startswith(("TabSeparated", "TSV")):
        return "text/tab-separated-values; charset=UTF-8"
    if name.startswith("JSON"):
        return "application/json; charset=UTF-8"
    if name.startswith("CSV"):
        return "text/csv; charset=UTF-8"
    return "application/octet-stream"
