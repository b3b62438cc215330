"""The Hugging Face hub as far as a push and a download need it, served on loopback."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote

TOKEN = "hf_SecretOfTheTests"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What was pushed. files: by repository and path; refusing: path of a request -> status of its answer."""

    address: str = ""
    private: dict[str, bool] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    refusing: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@contextmanager
def running() -> Iterator[Hub]:
    """Serve a hub until the end of the block."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(self.path.partition("?")[0])
        self.hub.asked.append(f"{self.command} {path}")
        body = self._body()
        for pattern, status in self.hub.refusing.items():
            if re.search(pattern, path):
                return self._send(status, {"error": "no, says the hub"})
        uploaded = path.startswith("/lfs/")  # with a signed address on the real hub
        if path != "/" and not uploaded and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._send(401, {"error": "Invalid username or password."})
        for route, act in _ROUTES.items():
            if found := re.fullmatch(route, f"{self.command} {path}"):
                act(self, body, *found.groups())
                return None
        return self._send(404, {"error": f"no {path}"})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, status: int, content: object, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _root(self, _: bytes) -> None:
        self._send(200, {})

    def _valid(self, body: bytes) -> None:
        assert json.loads(body)["content"].startswith("---\n")
        self._send(200, {"warnings": [], "errors": []})

    def _create(self, body: bytes) -> None:
        asked = json.loads(body)
        assert asked["type"] == "dataset"
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.hub.private:
            return self._send(409, {"error": "You already created this dataset repo"})
        self.hub.private[name], self.hub.files[name] = asked.get("visibility") == "private", {}
        return self._send(200, {"url": f"{self.hub.address}/datasets/{name}"})

    def _info(self, _: bytes, name: str) -> None:
        if name not in self.hub.private:
            return self._send(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        siblings = [{"rfilename": path} for path in self.hub.files[name]]
        facts: dict[str, Any] = {"id": name, "sha": COMMIT, "private": self.hub.private[name], "tags": []}
        return self._send(200, {**facts, "siblings": siblings})

    def _tree(self, _: bytes, name: str) -> None:
        listed = [
            {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
            for path, content in self.hub.files[name].items()
        ]
        self._send(200, listed)

    def _preupload(self, body: bytes, name: str) -> None:
        assert name in self.hub.private
        large = (".parquet", ".safetensors")
        modes = [
            {
                "path": each["path"],
                "uploadMode": "lfs" if each["path"].endswith(large) else "regular",
                "shouldIgnore": False,
            }
            for each in json.loads(body)["files"]
        ]
        self._send(200, {"files": modes})

    def _batch(self, body: bytes, _: str) -> None:
        objects = [
            {**each, "actions": {"upload": {"href": f"{self.hub.address}/lfs/{each['oid']}"}}}
            for each in json.loads(body)["objects"]
        ]
        self._send(200, {"transfer": "basic", "objects": objects})

    def _blob(self, body: bytes, oid: str) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.blobs[oid] = body
        self._send(200, {})

    def _commit(self, body: bytes, name: str) -> None:
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                self.hub.files[name][value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.hub.files[name][value["path"]] = self.hub.blobs[value["oid"]]
        self._send(
            200, {"commitUrl": f"{self.hub.address}/datasets/{name}/commit/{COMMIT}", "commitOid": COMMIT}
        )

    def _file(self, _: bytes, name: str, path: str) -> None:
        found = self.hub.files[name].get(path)
        if found is None:
            return self._send(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound")
        etag = hashlib.sha256(found).hexdigest()
        return self._send(200, found, ETag=f'"{etag}"', X_Repo_Commit=COMMIT)


_NAME = r"([\w.-]+/[\w.-]+)"
_ROUTES: dict[str, Any] = {
    r"(?:GET|HEAD) /": _Handler._root,
    r"POST /api/validate-yaml": _Handler._valid,
    r"POST /api/repos/create": _Handler._create,
    rf"GET /api/datasets/{_NAME}(?:/revision/\w+)?": _Handler._info,
    rf"GET /api/datasets/{_NAME}/tree/\w+": _Handler._tree,
    rf"POST /api/datasets/{_NAME}/preupload/main": _Handler._preupload,
    rf"POST /datasets/{_NAME}\.git/info/lfs/objects/batch": _Handler._batch,
    r"PUT /lfs/(\w+)": _Handler._blob,
    rf"POST /api/datasets/{_NAME}/commit/main": _Handler._commit,
    rf"(?:GET|HEAD) /datasets/{_NAME}/resolve/\w+/(.+)": _Handler._file,
}
