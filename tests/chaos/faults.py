"""Everything that an endpoint, or the network before it, can do wrong: the catalogue of faults."""

import asyncio
import gzip
import json
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

from support.faulty_endpoint import Fault, answer_body, good_body

MEBI = 1 << 20
TOO_LARGE = 65 * MEBI  # the client's limit is 64 MiB


def _fault(name):
    return lambda serve: Fault(name, serve)


def head(length):
    lines = "HTTP/1.1 200 OK", "Content-Type: application/json", f"Content-Length: {length}", "", ""
    return "\r\n".join(lines).encode()


# --- The connection ---

@_fault("reset before the headers")
async def RESET(exchange):
    await exchange.reset()


@_fault("closed without an answer")
async def CLOSE(exchange):
    exchange.close()


@_fault("reset in the middle of the headers")
async def RESET_IN_HEADERS(exchange):
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: appl")
    await asyncio.sleep(0.01)  # so that the bytes arrive before the RST, which would discard them
    await exchange.reset()


@_fault("reset in the middle of the body")
async def RESET_IN_BODY(exchange):
    body = good_body(exchange.request)
    await exchange.send(head(len(body)) + body[:len(body) // 2])
    await asyncio.sleep(0.01)
    await exchange.reset()


@_fault("server restarts")
async def GO_AWAY(exchange):
    exchange.close()
    await exchange.endpoint.go_away(0.3)


@_fault("silence")
async def SILENCE(exchange):
    await exchange.reader.read()  # until the client has had enough
    exchange.close()


@_fault("slow drip")
async def DRIP(exchange):
    """A byte now and then, for ever: no single pause is long."""
    await exchange.send(head(100_000))
    while not exchange.reader.at_eof() and not exchange.writer.is_closing():
        await exchange.send(b" ")
        await asyncio.sleep(0.02)
    exchange.close()


@_fault("not HTTP")
async def NOT_HTTP(exchange):
    await exchange.send(b"220 mail.example ESMTP\r\n250 who are you\r\n")
    exchange.close()


# --- Framing ---

@_fault("chunked body that is cut")
async def CUT_CHUNKS(exchange):
    body = good_body(exchange.request)[:-10]
    await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                        f"{len(body):x}\r\n".encode() + body + b"\r\n")
    exchange.close()


@_fault("Content-Length too long")
async def LENGTH_TOO_LONG(exchange):
    body = good_body(exchange.request)
    await exchange.send(head(len(body) + 50) + body)
    exchange.close()


@_fault("Content-Length too short")
async def LENGTH_TOO_SHORT(exchange):
    body = good_body(exchange.request)
    await exchange.send(head(len(body) - 20) + body)
    exchange.close()


def gzip_damaged(name, damage):
    async def serve(exchange):
        packed = bytearray(gzip.compress(good_body(exchange.request)))
        await exchange.respond(body=bytes(damage(packed)), headers=[("Content-Encoding", "gzip")])
    return Fault(name, serve)


NO_GZIP = gzip_damaged("no gzip, but called so", lambda packed: b"{}" + packed)
CUT_GZIP = gzip_damaged("gzip that is cut", lambda packed: packed[:len(packed) // 2])
BAD_GZIP = gzip_damaged("gzip with a wrong checksum",
                        lambda packed: packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:])


@_fault("gigantic body")
async def GIGANTIC(exchange):
    """No length is announced: the client must count for itself."""
    await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    block = f"{MEBI:x}\r\n".encode() + b" " * MEBI + b"\r\n"
    for _ in range(TOO_LARGE // MEBI):
        await exchange.send(block)
    exchange.close()


@_fault("gigantic Content-Length")
async def GIGANTIC_LENGTH(exchange):
    await exchange.send(head(99_999_999_999) + b"{")
    exchange.close()


@_fault("gzip bomb")
async def BOMB(exchange):
    await exchange.respond(body=gzip.compress(b" " * TOO_LARGE, compresslevel=1),
                           headers=[("Content-Encoding", "gzip")])


# --- A 200 whose body is no answer ---

def body_of(name, body, **options):
    async def serve(exchange):
        await exchange.respond(body=body(exchange.request) if callable(body) else body, **options)
    return Fault(name, serve)


def deep_in_message(request):
    """Valid JSON, deeply nested where the answer's text belongs."""
    deep = b"[" * 300_000 + b"]" * 300_000
    if request.gemini:
        return b'{"candidates":[{"content":{"parts":' + deep + b"}}]}"
    return b'{"choices":[{"message":{"content":' + deep + b"}}]}"


HTML_PAGE = (b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head>"
             b"<body>nginx</body></html>")

EMPTY = body_of("empty body", b"")
HTML = body_of("HTML page with status 200", HTML_PAGE, content_type="text/html")
DEEP = body_of("deep JSON", b"[" * 1_000_000)
DEEP_MESSAGE = body_of("deep JSON for an answer", deep_in_message)
DEEP_ANSWER = body_of("deep JSON in the answer's text", lambda request: answer_body(
    request.gemini, '{"groundings":' + "[" * 1_000_000))
BAD_UTF8 = body_of("bad UTF-8", lambda request: good_body(request)[:-3] + b'"\xff\xfe\xc3"}')
NO_CHOICES = body_of("neither choices nor candidates", b'{"object":"chat.completion"}')
NO_TEXT = body_of("an answer without text", lambda request: answer_body(request.gemini, ""))
CHATTER = body_of("chatter instead of labels",
                  lambda request: answer_body(request.gemini, "Sure! What a lovely image."))
HALF_ANSWER = body_of("labels that break off",
                      lambda request: good_body(request).replace(b"]}", b"", 1))


# --- Faults that are none: odd, but good answers ---

async def _plain_text(exchange):
    exchange.request.answered = True
    await exchange.respond(body=good_body(exchange.request), content_type="text/html")


async def _gzip(exchange):
    exchange.request.answered = True
    await exchange.respond(body=gzip.compress(good_body(exchange.request)),
                           headers=[("Content-Encoding", "gzip")])


async def _early_hints(exchange):
    exchange.request.answered = True
    await exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    await exchange.respond(body=good_body(exchange.request))


async def _bytewise(exchange):
    exchange.request.answered = True
    body = good_body(exchange.request)
    await exchange.send(head(len(body)))
    for i in range(len(body)):
        await exchange.send(body[i:i + 1])


async def _no_length(exchange):
    exchange.request.answered = True
    await exchange.send(b"HTTP/1.0 200 OK\r\n\r\n" + good_body(exchange.request))
    exchange.close()


ODD_BUT_GOOD = [Fault("wrong content type", _plain_text), Fault("gzip", _gzip),
                Fault("interim response", _early_hints), Fault("byte by byte", _bytewise),
                Fault("end of body by end of connection", _no_length)]


# --- Statuses ---

def openai_error(message, kind="error", code=None):
    error = {"message": message, "type": kind, "param": None, "code": code}
    return json.dumps({"error": error}).encode()


def gemini_error(code, message, status, details=(), in_list=False):
    error = {"code": code, "message": message, "status": status, "details": list(details)}
    return json.dumps([{"error": error}] if in_list else {"error": error}).encode()


def status(code, body=None, headers=(), name=None, content_type="application/json"):
    async def serve(exchange):
        content = openai_error("no luck today") if body is None else body
        await exchange.respond(code, content, headers, content_type)
    return Fault(name or str(code), serve)


def retry_info(delay):
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def http_date(seconds_from_now):
    moment = datetime.now(timezone.utc) + timedelta(seconds=seconds_from_now)
    return format_datetime(moment, usegmt=True)


def redirect(target, code=307):
    return status(code, b"", [("Location", target)], name=f"redirect {code}")


def exhausted(delay, in_list):
    details = [retry_info(delay)]
    return gemini_error(429, "Resource exhausted.", "RESOURCE_EXHAUSTED", details, in_list)


# Built for each test: an HTTP-date is relative to now.
def rate_limits():
    """name: (fault, seconds that a repeat must not come before)"""
    def hinted(name, value):
        return status(429, headers=[(name, value)])
    return {
        "no hint": (status(429), 0),
        "Retry-After": (hinted("Retry-After", "1"), 1),
        # Whole seconds: two from now may be hardly more than one.
        "HTTP-date": (hinted("Retry-After", http_date(2)), 0.9),
        "retry-after-ms": (hinted("retry-after-ms", "600"), 0.6),
        "RetryInfo": (status(429, exhausted("0.5s", in_list=False)), 0.5),
        "RetryInfo in a list": (status(429, exhausted("0.5s", in_list=True)), 0.5),
    }


# --- Refusals ---

OPENAI_REFUSAL = body_of("refusal", json.dumps({"choices": [{"message": {
    "content": None, "refusal": "I cannot help with that."}, "finish_reason": "stop"}]}).encode())
CONTENT_FILTER = body_of("content_filter", answer_body(False, "", finish="content_filter"))
GEMINI_SAFETY = body_of("SAFETY", json.dumps({"candidates": [{"finishReason": "SAFETY"}]}).encode())
GEMINI_BLOCKED = body_of("blocked prompt", json.dumps(
    {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}).encode())
