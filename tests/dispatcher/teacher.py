"""An endpoint whose answers are the same every time, and can be held back."""
from __future__ import annotations

import asyncio
import json
import re
import threading

from support.faulty_endpoint import Exchange, Fault, FaultyEndpoint, Request

BOX = [10, 20, 50, 60]  # pixels: what the specs of these tests ask for
PHRASE = re.compile(r"red ball \d+")


def labels(request: Request) -> str:
    if request.step == "1":
        return json.dumps({"groundings": [
            {"id": number, "text": text, "instances": [{"bbox": BOX, "score": 0.8}]}
            for number, text in enumerate(request.asked, 1)]})
    if not request.step:  # another pipeline's question
        return "{}"
    caption = request.asked[0]
    return json.dumps({"cleaned_caption": caption, "expressions": [
        {"text": text, "char_span": [caption.find(text), caption.find(text) + len(text)],
         "noun_chunk": "ball"} for text in sorted(set(PHRASE.findall(caption)))]})


class Teacher(FaultyEndpoint):
    """`hold()` keeps further answers back until `release()`; `arrived` says that one waits.

    Held answers take DELAY seconds more: a client that looks for signals between two answers
    (ten times a second) has seen one that was sent before the release.
    """

    DELAY = 1.0

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self._free = asyncio.Event()
        self._free.set()
        super().__init__(self._hold_back, labels=labels)

    @property
    def base_url(self) -> str:
        return self.url + "/v1"

    @property
    def questions(self) -> int:
        return sum(bool(request.document) for request in self.requests)

    @property
    def last(self) -> Request:
        return self.requests[-1]

    @property
    def last_key(self) -> str | None:
        return self.last.headers.get("authorization")

    def hold(self) -> None:
        self.arrived.clear()
        self.on_loop(self._free.clear)

    def release(self) -> None:
        self.on_loop(self._free.set)

    def _hold_back(self, request: Request) -> Fault | None:
        held = self.arrived.is_set() or not self._free.is_set()
        return Fault("held back", self._answer_late) if held and request.document else None

    async def _answer_late(self, exchange: Exchange) -> None:
        self.arrived.set()
        await self._free.wait()
        await asyncio.sleep(self.DELAY)
        await exchange.answer()
