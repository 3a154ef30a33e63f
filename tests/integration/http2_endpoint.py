"""An OpenAI-compatible endpoint over HTTP/2 (ASGI, run by hypercorn): each answer takes its time, and
/stats tells how many connections there were and how many requests at once."""

import asyncio
import json

LATENCY = 0.1
seen = {"connections": set(), "versions": set(), "now": 0, "most": 0}

EXTRACTION = {"cleaned_caption": "A red thing.",
              "expressions": [{"text": "A red thing", "char_span": [0, 11], "noun_chunk": "thing"}]}
GROUNDING = {"groundings": [{"id": 1, "text": "A red thing",
                             "instances": [{"bbox": [1, 1, 5, 5], "score": 0.9}]}]}


async def body_of(receive):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def answer(receive):
    seen["now"] += 1
    seen["most"] = max(seen["most"], seen["now"])
    asked = await body_of(receive)
    await asyncio.sleep(LATENCY)
    seen["now"] -= 1
    content = GROUNDING if b"groundings" in asked else EXTRACTION
    return {"choices": [{"message": {"content": json.dumps(content)}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1}}


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/stats":
        out = {"connections": len(seen["connections"]), "versions": sorted(seen["versions"]),
               "most": seen["most"]}
    else:
        seen["connections"].add(scope["client"])
        seen["versions"].add(scope["http_version"])
        out = await answer(receive)
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(out).encode()})
