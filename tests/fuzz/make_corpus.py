#!/usr/bin/env python3
"""Writes the seeds in tests/fuzz/corpus/: small inputs of every shape, from which fuzzing starts.

An input that once broke something is added here, under a name that says what it is.
"""
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.images import png, png_chunk  # noqa: E402

CORPUS = pathlib.Path(__file__).parent / "corpus"

BOX = '[{"id":1,"text":"the red car","instances":[{"bbox":[10,20,300,400],"score":0.9}]}]'
GROUNDING = {
    "asked": '{"groundings":%s}' % BOX,
    "fence": "Here:\n```json\n%s\n```\nDone." % BOX,
    "reasoning": "<think>[1,2,3,4]</think><answer>%s</answer>" % BOX,
    "cut": '{"groundings":[{"id":1,"text":"a dog","instances":[{"bbox":[1,2,3',
    "by_expression": '{"a dog":[[1,2,3,4],[5,6,70,80]],"two people":[]}',
    "ndjson": '{"label":"a dog","bbox_2d":[1,2,3,4]}\n{"label":"3","bbox_2d":[5,6,7,8]}',
    "named": "[{'label': 'a dog', 'box': {'x1': 1, 'y1': 2, 'x2': 30, 'y2': 40}, 'score': '85%'}]",
    "size": '[{"label":"a dog","x":1,"y":2,"width":30,"height":40,"confidence":87}]',
    "parallel": '{"bboxes":[[1,2,3,4],[4,3,2,1]],"labels":["a dog","3"],"scores":[0.5,1e9]}',
    "lines": "1. the red car: [1, 2, 30, 40]\n2. a dog: (5,6),(70,80)\n",
    "none": "There are none.",
    "empty": '{"groundings":[{"id":2,"text":"a dog","instances":[]}]}',
    "huge": '[{"label":"a dog","bbox":[-1e308,1e308,1e999,NaN]}]',
    "escapes": '[{"label":"\\u00dcber-Kunst \\ud83d\\ude00 \\ud800","bbox":[0.1,0.2,0.3,0.4]}]',
    "internvl": "<ref>a dog</ref><box>[[1,2,3,4],[5,6,7,8]]</box>",
    "qwen": "<|object_ref_start|>a dog<|object_ref_end|><|box_start|>(1,2),(3,4)<|box_end|>",
    "deepseek": "<|ref|>a dog<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>",
    "glm": "a dog <|begin_of_box|>[[1,2,3,4]]<|end_of_box|>",
    "florence": "a dog<loc_1><loc_2><loc_300><loc_400>",
    "paligemma": "<loc0001><loc0002><loc0300><loc0400> a dog ; <loc0001><loc0002><loc0003><loc0004> 3",
    "kosmos": "<phrase>a dog</phrase><object><patch_index_0044><patch_index_0863></object>",
    "rex": "<|object_ref_start|>a dog<|object_ref_end|><|box_start|><1><2><30><40><|box_end|>",
}

EXPRESSION = '{"text":"A red car","char_span":[0,9],"noun_chunk":"car"}'
EXTRACTION = {
    "asked": 'A red car.\n{"cleaned_caption":"A red car.","expressions":[%s]}' % EXPRESSION,
    "twice": 'a dog and a dog\n["a dog", "a dog", "a dog"]',
    "words": "a dog and a cat\n```json\n[\"a dog\", \"a cat\"]\n```",
    "by_expression": 'a dog\n{"a dog": {"char_span": [0, 5]}, "a cat": {}}',
    "ndjson": 'a dog\n{"text":"a dog"}\n{"phrase":"dog","start":2,"end":5}',
    "reasoning": 'a dog\n<think>["no"]</think>["a dog",]',
    "cut": 'a dog\n{"cleaned_caption":"a dog","expressions":[{"text":"a d',
    "empty": 'a dog\n{"expressions":[]}',
    "scripts": '红色的汽车 İstanbul\u0307 👩‍👩‍👧 e\u0301\n["红色", "İSTANBUL", "👩", "e"]',
    "span_far": 'a dog\n[{"text":"a dog","span":[9223372036854775806,9223372036854775807]}]',
    "python": "a dog\n[{'text': 'a dog', 'noun_chunk': None, 'char_span': (0, 5)}]",
    "prose": "a dog\nI cannot help with that.",
}

SPEC = {
    "full": """results_dir: /r
autolabel_type: "image_grounding"
image_grounding:
  vlm:
    backend: openai
    openai: {base_url: "http://h:8000/v1/", model_name: m, extra_body: {a: [1, 2.5, null]}}
  workflow: {steps: ["0", 1], max_workers: 16, merge_iou: 1e-1}
  data: {input_jsonl: in.jsonl, image_root: '${oc.env:HOME,/x}'}
""",
    "overrides": """image_grounding.workflow.steps=[0,1]
+image_grounding.vlm.openai.extra_body={a: {b: "c,d"}, e: [1,'x']}
++image_grounding.workflow.force_reprocess=true
image_grounding.vlm.openai.temperature=1e0
image_grounding.data.image_root=${oc.env:HOME}/a\\,b
results_dir="/with \\"quotes\\""
""",
    "both": """{results_dir: /r, image_grounding: {workflow: {steps: ["1"]}}}
image_grounding.vlm.gemini.timeout=5
image_grounding.vlm.structured_output=on
""",
    "alias": "a: &x {b: 1}\nimage_grounding: {vlm: *x, data: *x}\n",
    "alias_of_itself": "image_grounding: &x {vlm: *x}\n",
    "mistyped": "image_grounding: {vlm: {bakend: openai}}\nresults_dir: ???\n",
    "twice": "results_dir: a\nresults_dir: b\n",
    "block_text": "results_dir: |\n  a\n  b\nimage_grounding: !!map\n  ? vlm\n  : ~\n",
    "numbers": "image_grounding: {workflow: {max_workers: 0x10, max_requests: 1_000, merge_iou: .5}}\n",
    "foreign": "mal: {x: 1}\ngpu_ids: [0]\nimage_grounding.workflow.long_video_max_frames=3\n",
    "json": '{"results_dir": "/r", "image_grounding": {"data": {"input_jsonl": "i"}}}',
    "one_key_twice": "image_grounding.vlm.openai={api_key: x, modle_name: y}\n",
}

JSONL = {
    "plain": '{"image_path":"a/b.jpg","caption":"a dog","width":640,"height":480.0}\n',
    "byte_order_mark": '\ufeff{"image_path":"a.jpg","caption":"x"}\r\n\r\n \t\n{"image_path":"b"}',
    "kept": '{ "n" : 1.50 , "big":12345678901234567890123, "e":-0.0e-7, "image_path":"a",'
            ' "caption":"\\u00e9\\ud83d\\ude00\\n", "l":[1, {"a":[]}, "],}"], "image_id": 007.0}',
    "id": '{"image_path":"../x","caption":"","image_id":"../../etc/\\u0000.jpg"}',
    "number_id": '{"image_path":"x.tar.gz","caption":"","image_id":-1.50,"extra":null}',
    "step_0": '{"image_path":"a","caption":"c","expressions":[{"text":"a dog","char_span":[0,5]},'
              '{"text":"cat","instances":[{"bbox":[1,2,3,4]}]}],"error":null}\n',
    "failed": '{"image_path":"a","caption":"c","expressions":[],"error":{"step":"0"}}\n',
    "twice": '{"caption":"a","caption":"b","image_path":"p","image_path":"q"}\n',
    "bad": '{"image_path":1,"caption":[]}\n[1]\n"x"\n{\nnull\n{"image_path":"a","caption":"c"} x\n',
    "long_id": '{"image_path":"a","caption":"c","image_id":"%s"}' % ("é" * 90),
    "nul_behind": '{"image_path":"a","caption":"c"}\0{"image_path":"b","caption":"d"}\n',
}

HEADER = '"fingerprint":"0123456789abcdef0123456789abcdef","model":"m","image_path":"a","caption":"c"'
STEP_0 = '{"image_path":"a.png","caption":"a cat and a cat","cleaned_caption":"A cat and a cat.",' \
         '"expressions":[%s]}'
CORRECTIONS = {
    "true": STEP_0 % '{"text":"a cat","expression_id":"expr_00000","char_span":[0,5],"noun_chunk":"cat"}',
    "moved": STEP_0 % '{"text":"cat","char_span":[9,12]},{"text":"cat","char_span":[2,5]},'
                      '{"text":"cat","char_span":null}',
    "same_ids": STEP_0 % '{"text":"cat","expression_id":"x"},{"text":"a","expression_id":"x"},'
                         '{"text":"and","expression_id":"expr_00001"},{"text":"A CAT"}',
    "large_ids": STEP_0 % '{"text":"cat","expression_id":"expr_268435456"},'
                          '{"text":"cat","expression_id":"expr_99999999999999999999"}',
    "wrong_types": STEP_0 % '{"text":"cat","char_span":"0-3","noun_chunk":7,"expression_id":[1]},'
                            '{"text":"cat","char_span":[1.5,-2]},{"text":"cat","char_span":[1]}',
    "scripts": '{"image_path":"a.png","caption":"İstanbul e\u0301 👩‍👩‍👧 红色的","expressions":'
               '[{"text":"istanbul","char_span":[0,9]},{"text":"e"},{"text":"👩"},{"text":"红色"}]}',
    "failed": '{"image_path":"a.png","caption":"a","expressions":[],'
              '"error":{"step":"0","kind":"image","message":"m"}}',
}

CHECKPOINT = {
    "extraction": '{%s,"width":640,"height":480,"cleaned_caption":"a dog","expressions":'
                  '[{"text":"a dog","char_span":[0,5],"noun_chunk":"dog"},'
                  '{"text":"x","char_span":null,"noun_chunk":""}]}\n' % HEADER,
    "grounding": '{%s,"width":640,"height":480,"groundings":[{"text":"a dog","instances":'
                 '[{"bbox":[1,2,30,40],"score":0.9},{"bbox":[0,0,640,480],"score":1}]},'
                 '{"text":"x","instances":[]}]}\n' % HEADER,
    "stock": '{"image_path":"a","caption":"c","cleaned_caption":"C","expressions":[{"text":"c"}]}',
    "span_far": '{%s,"cleaned_caption":"a a","expressions":[{"text":"a","char_span":'
                '[-9223372036854775808,0]}]}' % HEADER,
    "box_far": '{%s,"groundings":[{"text":"a","instances":[{"bbox":[1e300,0,-1,1],"score":1e300}]}]}'
               % HEADER,
}


def u16(value, big=True):
    return struct.pack(">H" if big else "<H", value)


def u32(value, big=True):
    return struct.pack(">I" if big else "<I", value)


def exif(orientation, big):
    """A TIFF structure whose one entry is the orientation."""
    return (b"MM\0*" if big else b"II*\0") + u32(8, big) + u16(1, big) + u16(0x0112, big) + u16(
        3, big) + u32(1, big) + u16(orientation, big) + u16(0, big) + u32(0, big)


def segment(marker, payload):
    return b"\xff" + bytes([marker]) + u16(len(payload) + 2) + payload


def jpeg(sof=0xC0, app=b""):
    frame = bytes([8]) + u16(30) + u16(40) + bytes([3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1])
    scan = bytes([3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0])
    return (b"\xff\xd8" + app + segment(sof, frame) + segment(0xDA, scan) + b"\x12\xff\0\x34" +
            b"\xff\xd9")


def riff(*chunks):
    body = b"WEBP"
    for kind, payload in chunks:
        body += kind + u32(len(payload), False) + payload + b"\0" * (len(payload) % 2)
    return b"RIFF" + u32(len(body), False) + body


def vp8x(flags):
    return b"VP8X", bytes([flags, 0, 0, 0]) + (39).to_bytes(3, "little") + (29).to_bytes(3, "little")


def gif(frames):
    image = b",\0\0\0\0" + u16(40, False) + u16(30, False) + b"\0\x02\x02\x44\x01\0"
    return (b"GIF89a" + u16(40, False) + u16(30, False) + b"\x80\0\0" + bytes(6) +
            b"!\xf9\x04\0\0\0\0\0" + image * frames + b";")


def bmp():
    return (b"BM" + u32(54 + 3600, False) + bytes(4) + u32(54, False) + u32(40, False) +
            u32(40, False) + u32(30, False) + u16(1, False) + u16(24, False) + bytes(24) +
            bytes(3600))


def tiff(big):
    def entry(tag, kind, count, value):
        field = u16(value, big) + bytes(2) if kind == 3 and count == 1 else u32(value, big)
        return u16(tag, big) + u16(kind, big) + u32(count, big) + field
    entries = [entry(256, 3, 1, 4), entry(257, 3, 1, 3), entry(258, 3, 1, 8), entry(259, 3, 1, 1),
               entry(262, 3, 1, 1), entry(273, 4, 1, 200), entry(274, 3, 1, 6), entry(277, 3, 1, 1),
               entry(278, 3, 1, 3), entry(279, 4, 1, 12)]
    head = (b"MM\0*" if big else b"II*\0") + u32(8, big) + u16(len(entries), big)
    out = head + b"".join(entries) + u32(0, big)
    return out + bytes(200 - len(out)) + bytes(12)


VP8 = b"\x30\x01\0\x9d\x01\x2a" + u16(40, False) + u16(30, False) + bytes(10)
VP8L = b"\x2f" + u32(39 | 29 << 14, False) + bytes(10)
FRAME = bytes(6) + (39).to_bytes(3, "little") + (29).to_bytes(3, "little") + bytes(4)
BLACK = (0, 0, 0)
IMAGE = {
    "baseline.jpg": jpeg(),
    "progressive.jpg": jpeg(0xC2),
    "arithmetic.jpg": jpeg(0xC9),
    "turned.jpg": jpeg(app=segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0") +
                       segment(0xE1, b"Exif\0\0" + exif(6, True))),
    "plain.png": png(40, 30, BLACK),
    "turned.png": png(40, 30, BLACK, extra=png_chunk(b"eXIf", exif(8, False))),
    "lossy.webp": riff((b"VP8 ", VP8)),
    "lossless.webp": riff((b"VP8L", VP8L)),
    "turned.webp": riff(vp8x(8), (b"VP8 ", VP8), (b"EXIF", exif(5, False))),
    "animated.webp": riff(vp8x(2), (b"ANIM", bytes(6)),
                          (b"ANMF", FRAME + b"VP8L" + u32(len(VP8L), False) + VP8L + b"\0")),
    "one.gif": gif(1),
    "two.gif": gif(2),
    "plain.bmp": bmp(),
    "little.tif": tiff(False),
    "big.tif": tiff(True),
    "text.html": b"<html>404</html>",
}


def write(target, seeds, prefix=b""):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed in seeds.items():
        data = seed if isinstance(seed, bytes) else prefix + seed.encode("utf-8")
        (folder / name).write_bytes(data)


def main():
    # The first byte chooses setting and image; "0" and "\xb0" are two of them.
    write("grounding_answer", {name: "0" + text for name, text in GROUNDING.items()})
    write("grounding_answer", {name + "_own_labels": b"\xb0" + text.encode("utf-8")
                               for name, text in GROUNDING.items()})
    write("extraction_answer", EXTRACTION)
    write("spec", SPEC)
    write("jsonl", JSONL)
    write("image_info", IMAGE)
    write("checkpoint", CHECKPOINT)
    write("corrections", CORRECTIONS)


if __name__ == "__main__":
    main()
