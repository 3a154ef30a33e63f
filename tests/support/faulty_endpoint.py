"""A scripted VLM endpoint on the loopback that misbehaves as told, and remembers every request.

It answers OpenAI's chat completions and Gemini's generateContent. Its labels depend on nothing but
the question, so two runs that ask the same get the same labels, whatever went wrong meanwhile.
It runs on a thread of its own; a script (see `script=`) picks a fault for each request.
"""

import asyncio
import hashlib
import json
import re
import socket
import struct
import threading
from dataclasses import dataclass, field

MAX_HEAD = 1 << 20
TLS_HANDSHAKE = b"\x16"


@dataclass
class Request:
    """One request as it arrived."""
    number: int  # among all requests, from 1
    path: str
    headers: dict  # names in lower case
    step: str = ""  # "0" or "1"; "" for what is no question of ours
    asked: tuple = ()  # the caption, or the texts of the expressions
    attempt: int = 1  # how often the same question has arrived, this time included
    fault: str = ""  # what was served instead of an answer; "": an answer
    answered: bool = False  # a whole good answer was handed to the socket
    at: float = 0.0  # time.monotonic() of the endpoint's loop
    document: dict = field(default_factory=dict, repr=False)  # its body

    @property
    def gemini(self):
        return self.path.endswith(":generateContent")

    @property
    def key(self):
        return self.step, self.asked


def labels_of(request):
    """What the model would say: the text of its answer."""
    if request.step == "0":
        caption = request.asked[0]
        return json.dumps({"cleaned_caption": caption, "expressions": [
            {"text": text, "char_span": [caption.find(text), caption.find(text) + len(text)],
             "noun_chunk": text.split()[-1]} for text in caption.rstrip(".").split(" and ")]})
    return json.dumps({"groundings": [
        {"id": i + 1, "text": text, "instances": [{"bbox": box_of(text), "score": 0.75}]}
        for i, text in enumerate(request.asked)]})


def box_of(text):
    """A box in thousandths that depends on the text alone."""
    digest = hashlib.sha256(text.encode()).digest()
    x, y = digest[0] * 2, digest[1] * 2
    return [x, y, x + 100 + digest[2], y + 100 + digest[3]]


def answer_body(gemini, text, finish=None):
    if gemini:
        body = {"candidates": [{"content": {"parts": [{"text": text}]},
                                "finishReason": finish or "STOP"}],
                "usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 20}}
    else:
        body = {"choices": [{"message": {"content": text}, "finish_reason": finish or "stop"}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 20}}
    return json.dumps(body).encode()


def good_body(request):
    return answer_body(request.gemini, labels_of(request))


def read_question(request, body):
    """Fills in `step` and `asked` from the prompt of a request."""
    request.document = document = json.loads(body)
    message = document["contents" if request.gemini else "messages"][0]
    parts = message["parts" if request.gemini else "content"]
    prompt = parts[-1]["text"]
    caption = re.search(r'^Caption: (".*")$', prompt, re.M)
    if caption:
        request.step, request.asked = "0", (json.loads(caption[1]),)
    elif listed := re.search(r"^Expressions: (\[.*\])$", prompt, re.M):
        request.step, request.asked = "1", tuple(item["text"] for item in json.loads(listed[1]))


class Exchange:
    """A request on its connection: what faults work with."""

    def __init__(self, endpoint, request, reader, writer):
        self.endpoint, self.request, self.reader, self.writer = endpoint, request, reader, writer
        self.close_after = False

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def respond(self, status=200, body=b"", headers=(), content_type="application/json",
                      reason="Chaos"):
        head = [f"HTTP/1.1 {status} {reason}", f"Content-Type: {content_type}",
                f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers)]
        await self.send("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    async def answer(self):
        if self.endpoint.latency:
            await asyncio.sleep(self.endpoint.latency)
        if self.request.path.endswith("/models"):
            body = json.dumps({"object": "list", "data": [{"id": "stand-in", "object": "model"}]}).encode()
        else:
            body = answer_body(self.request.gemini, self.endpoint.labels(self.request))
        # Before it is sent: the client may be killed as soon as it has the last byte.
        self.request.answered = True
        await self.respond(body=body)

    async def reset(self):
        """RST instead of an orderly end."""
        self.close_after = True
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()

    def close(self):
        self.close_after = True


@dataclass
class Fault:
    """What is served instead of an answer; `serve` is a coroutine function of an Exchange."""
    name: str
    serve: object = field(repr=False)


class FaultyEndpoint:
    """`script(request)` returns a Fault, or None for a good answer, whose text is labels(request).

    Thread-safe to read from.
    """

    def __init__(self, script=lambda request: None, latency=0.0, ssl_context=None, labels=labels_of):
        self.script, self.latency, self.labels = script, latency, labels
        self.requests = []
        self._attempts = {}
        self._ssl = ssl_context
        self._writers = set()
        self._tasks = set()
        self._server = None
        self.port = 0
        self.open_requests = self.most_open_requests = 0
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._note_exception)
        self.exceptions = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._listen())

    # --- For tests ---

    @property
    def url(self):
        return f"{'https' if self._ssl else 'http'}://127.0.0.1:{self.port}"

    @property
    def answered(self):
        return [request for request in self.requests if request.answered]

    @property
    def faults(self):
        return [request for request in self.requests if request.fault]

    def counts(self):
        """How many requests of each step."""
        return tuple(sum(r.step == step for r in self.requests) for step in "01")

    def heal(self):
        """From now on good answers alone; forgets what it has seen."""
        self.script, self.latency, self.requests = lambda request: None, 0.0, []
        self._attempts = {}

    def stop(self):
        self._call(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=20)
        self._loop.close()
        assert not self.exceptions, self.exceptions

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()

    # --- On the loop ---

    def on_loop(self, function):
        """Calls it on the endpoint's thread, and waits for it."""
        async def call():
            function()
        self._call(call())

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=20)

    def _note_exception(self, loop, context):
        # A client that went away is part of the game.
        if not isinstance(context.get("exception"), (OSError, asyncio.IncompleteReadError)):
            self.exceptions.append(context)

    async def _listen(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port,
                                                  ssl=self._ssl, limit=MAX_HEAD, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self):
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def go_away(self, seconds):
        """Refuses connections for a while, like a server that is restarting."""
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        back = asyncio.get_running_loop().create_task(self._come_back(seconds))
        self._tasks.add(back)
        back.add_done_callback(self._tasks.discard)

    async def _come_back(self, seconds):
        await asyncio.sleep(seconds)
        await self._listen()

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            while await self._serve_one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the test is over
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.close()

    async def _serve_one(self, reader, writer):
        first = await reader.readexactly(1)
        if first == TLS_HANDSHAKE:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            return False
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in
                   (line.partition(":") for line in head[1:] if line)}
        request = Request(len(self.requests) + 1, head[0].split()[1], headers,
                          at=self._loop.time())
        self.requests.append(request)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if body:
            read_question(request, body)
        self._attempts[request.key] = request.attempt = self._attempts.get(request.key, 0) + 1
        fault = self.script(request)
        exchange = Exchange(self, request, reader, writer)
        self.open_requests += 1
        self.most_open_requests = max(self.most_open_requests, self.open_requests)
        try:
            if fault is None:
                await exchange.answer()
            else:
                request.fault = fault.name
                await fault.serve(exchange)
        finally:
            self.open_requests -= 1
        return not exchange.close_after
