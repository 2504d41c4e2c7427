"""A network that misbehaves, between zipsel and a store of this machine."""

import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Proxy(BaseHTTPRequestHandler):
    """Passes requests on to the server and does to them what ``faults`` say.

    Each request for a range of an object takes the next of ``faults``, each that writes (PUT,
    POST, DELETE) the next of ``write_faults``: ``pass``, ``throttle`` (503 SlowDown), ``cut`` (half
    an answer; a request that writes is cut before the server has it), ``lost`` (the server does as
    it is told, and nobody hears so), ``gone`` (404 NoSuchUpload), ``hold`` (until the test says).
    """

    protocol_version = "HTTP/1.1"
    upstream = ""
    refusal = 0
    faults: list[str]
    write_faults: list[str]
    written: list[str]
    held: threading.Event
    release: threading.Event

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) or None
        if self.refusal:
            self.say_error(self.refusal, "AccessDenied")
            return
        fault = self.next_fault()
        if fault == "hold":
            self.held.set()
            self.release.wait(60)
        if self.command != "GET" and fault == "cut":
            self.close_connection = True
            return
        if fault == "throttle":
            self.say_error(503, "SlowDown")
            return
        if fault == "gone":
            self.say_error(404, "NoSuchUpload")
            return
        request = urllib.request.Request(
            self.upstream + self.path, body, dict(self.headers), method=self.command
        )
        if body is not None and not request.has_header("Content-type"):
            request.add_header("Content-Type", "binary/octet-stream")  # else urllib says: a form
        try:
            answer = urllib.request.urlopen(request, timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        data = answer.read()
        told = answer.headers.get("Content-Length") or 0
        size = told if self.command == "HEAD" else len(data)
        if fault == "lost":
            self.close_connection = True
            return
        self.answer(answer.status, answer.headers, data, size, cut=fault == "cut")

    def say_error(self, status, code):
        data = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self.answer(status, {}, data, len(data))

    def next_fault(self):
        if self.command in ("PUT", "POST", "DELETE"):
            self.written.append(f"{self.command} {self.path}")
        if self.command == "GET" and (self.headers.get("Range") or self.headers.get("x-ms-range")):
            queue = self.faults
        elif self.command in ("PUT", "POST", "DELETE"):
            queue = self.write_faults
        else:
            return None
        if queue and queue[0].startswith("always-"):
            return queue[0].removeprefix("always-")
        return queue.pop(0) if queue else None

    def answer(self, status, headers, data, size, cut=False):
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if cut:
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        elif self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any

    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def serving(handler, **attributes):
    """Serve with a class of handlers of this test's own, whose ``url`` says where."""
    handler = type(f"This{handler.__name__}", (handler,), attributes)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    handler.url = f"http://127.0.0.1:{httpd.server_port}"
    try:
        yield handler
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


@contextmanager
def proxy_to(upstream):
    """The network between this process and a server."""
    with serving(
        Proxy,
        upstream=upstream,
        faults=[],
        write_faults=[],
        written=[],
        held=threading.Event(),
        release=threading.Event(),
    ) as proxy:
        try:
            yield proxy
        finally:
            proxy.release.set()
