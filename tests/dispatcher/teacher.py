"""An OpenAI-compatible endpoint in a thread, and images for it. Answers are the same every time."""
from __future__ import annotations

import json
import re
import struct
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WIDTH, HEIGHT = 100, 80
BOX = [10, 20, 50, 60]  # pixels: what the specs of these tests ask for
PHRASE = re.compile(r"red ball \d+")


def png(width: int = WIDTH, height: int = HEIGHT) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\xc0\x20\x20" * width) * height
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))


def answer(prompt: str) -> dict:
    phrases = sorted(set(PHRASE.findall(prompt)))
    if '"groundings"' in prompt:
        return {"groundings": [
            {"id": number, "text": text, "instances": [{"bbox": BOX, "score": 0.8}]}
            for number, text in enumerate(phrases, 1)]}
    if "Caption: " not in prompt:  # another pipeline's question
        return {}
    caption = re.search(r'Caption: "?([^"\n]*)', prompt).group(1)
    return {"cleaned_caption": caption, "expressions": [
        {"text": text, "char_span": [caption.find(text), caption.find(text) + len(text)],
         "noun_chunk": "ball"} for text in phrases]}


class Teacher:
    """`hold()` keeps further answers back until `release()`; `arrived` says that one waits.

    Held answers take `latency` seconds more: a client that looks for signals between two answers
    (ten times a second) has seen one that was sent before the release.
    """

    latency = 1.0

    def __init__(self) -> None:
        self.requests = 0
        self.last_body: dict = {}
        self.last_key: str | None = None
        self.arrived = threading.Event()
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        teacher = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # noqa: N802
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                teacher.last_body = body
                teacher.last_key = self.headers["Authorization"]
                teacher.note_request()
                content = body["messages"][-1]["content"]
                prompt = "".join(part.get("text", "") for part in content)
                self._send({
                    "id": "1", "object": "chat.completion", "model": body["model"],
                    "choices": [{"index": 0, "finish_reason": "stop", "message": {
                        "role": "assistant", "content": json.dumps(answer(prompt))}}],
                    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}})

            def do_GET(self) -> None:  # noqa: N802
                self._send({"object": "list", "data": [{"id": "stand-in", "object": "model"}]})

            def _send(self, value: dict) -> None:
                data = json.dumps(value).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:  # the client was stopped
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def note_request(self) -> None:
        with self._lock:
            self.requests += 1
        if self._open.is_set() and not self.arrived.is_set():
            return
        self.arrived.set()
        self._open.wait(60)
        threading.Event().wait(self.latency)

    def hold(self) -> None:
        self.arrived.clear()
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def close(self) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
