"""Runs in a bare root with the wheel and nothing else of ours installed; the standard library alone.

    check_installed.py http FOLDER       doctor, shared libraries, one image of each format
    check_installed.py trusted FOLDER    the same images over HTTPS, by the program and by Python
    check_installed.py untrusted FOLDER  must be refused before a byte of a request is sent

FOLDER has images/ and a server's certificate.pem and key.pem. tools/test_wheel.sh calls it.
"""
from __future__ import annotations

import base64
import json
import os
import shutil
import ssl
import struct
import subprocess
import sys
from pathlib import Path

from support.faulty_endpoint import FaultyEndpoint

SIDE = 64  # smaller than every image: each is decoded, resampled and encoded again
PROGRAM = str(Path(sys.executable).parent / "auto-label-image-grounding")
# glibc's, and the unwinder that every distribution has with it.
SYSTEM = ("linux-vdso", "ld-linux", "libc.so", "libm.so", "libdl.so", "librt.so", "libpthread.so",
          "libgcc_s.so")

def expect(condition: object, what: str) -> None:
    if not condition:
        sys.exit(f"check: FAILED: {what}")


def size_of(image: bytes) -> tuple[int, int]:
    """Width and height of a JPEG or PNG."""
    if image.startswith(b"\x89PNG"):
        return struct.unpack(">II", image[16:24])
    at = 2
    while image[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + struct.unpack(">H", image[at + 2:at + 4])[0]
    height, width = struct.unpack(">HH", image[at + 5:at + 9])
    return width, height


def sent_images(endpoint: FaultyEndpoint) -> list[bytes]:
    parts = [part for request in endpoint.requests if request.document
             for part in request.document["messages"][0]["content"]]
    return [base64.b64decode(part["image_url"]["url"].partition(",")[2])
            for part in parts if part["type"] == "image_url"]


def check_installation() -> None:
    done = subprocess.run([sys.executable, "-m", "auto_label_image_grounding", "doctor"],
                          capture_output=True, text=True)
    expect(done.returncode == 0, f"doctor: {done.stdout}{done.stderr}")
    import auto_label_image_grounding._native as native
    for file in (PROGRAM, native.__file__):
        lines = subprocess.run(["ldd", file], capture_output=True, text=True, check=True).stdout
        names = [Path(line.split()[0]).name for line in lines.splitlines()]
        expect(names and "not found" not in lines, lines)
        foreign = [name for name in names if not name.startswith(SYSTEM)]
        expect(not foreign, f"{file} needs {foreign}")
        print(f"check: {Path(file).name} needs {' '.join(names)}")


def settings(folder: Path, results: Path, url: str) -> dict:
    return {"vlm": {"backend": "openai", "coordinates": "xyxy_1000", "max_image_side": SIDE,
                    "max_retries": 0,
                    "openai": {"base_url": url + "/v1", "model_name": "stand-in"}},
            "data": {"input_jsonl": str(folder / "captions.jsonl"),
                     "image_root": str(folder / "images")}}


def flat(tree: dict, prefix: str = "image_grounding") -> list[str]:
    return [item for key, value in tree.items() for item in (
        flat(value, f"{prefix}.{key}") if isinstance(value, dict) else [f"{prefix}.{key}={value}"])]


def run_program(folder: Path, results: Path, url: str) -> subprocess.CompletedProcess:
    spec = folder / "spec.yaml"
    spec.write_text("results_dir: ???\nautolabel_type: image_grounding\n")
    return subprocess.run([PROGRAM, "generate", "-e", str(spec), f"results_dir={results}",
                           *flat(settings(folder, results, url))], capture_output=True, text=True)


def check_labels(folder: Path, results: Path, endpoint: FaultyEndpoint, how: str) -> None:
    images = sorted((folder / "images").iterdir())
    records = [json.loads(line) for line in (results / "annotations.jsonl").read_text().splitlines()]
    expect(len(records) == len(images), f"{len(records)} records")
    for record in records:
        boxes = [i["bbox"] for e in record["expressions"] for i in e["instances"]]
        expect("error" not in record and boxes, f"{record}")
    sizes = [size_of(image) for image in sent_images(endpoint)]
    expect(len(sizes) >= len(images) and all(max(size) == SIDE for size in sizes),
           f"sent images of {sizes}")
    endpoint.heal()
    print(f"check: {how}: {' '.join(p.suffix[1:] for p in images)}")


def main() -> None:
    mode, folder = sys.argv[1], Path(sys.argv[2])
    names = sorted(path.name for path in (folder / "images").iterdir())
    (folder / "captions.jsonl").write_text("".join(
        json.dumps({"image_path": name, "caption": "A ball and a box."}) + "\n" for name in names))
    context = None
    if mode == "http":
        check_installation()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    results = folder / f"results-{mode}"
    shutil.rmtree(results, ignore_errors=True)
    with FaultyEndpoint(ssl_context=context) as endpoint:
        done = run_program(folder, results, endpoint.url)
        if mode == "untrusted":
            expect(done.returncode == 1 and "certificate" in done.stderr, done.stderr)
            expect(not endpoint.requests, "a request was sent over an untrusted connection")
            print("check: https: refused without the authority in the system's store")
            return
        expect(done.returncode == 0, done.stderr)
        check_labels(folder, results, endpoint, f"{mode}, program")
        # In this process, which holds Python's own OpenSSL too.
        import auto_label_image_grounding as alig
        shutil.rmtree(results)
        alig.run({"image_grounding": settings(folder, results, endpoint.url)}, results_dir=str(results))
        check_labels(folder, results, endpoint, f"{mode}, Python")


if __name__ == "__main__":
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE"):
        os.environ.pop(variable, None)
    main()
