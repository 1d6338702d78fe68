"""application.py - a web application that alias.http asks: it answers as a test says, and keeps what it was asked."""

import http.server
import json
import threading
import urllib.parse

import harness


class Application:
    """answer(address) gives destinations as JSON has them, None for 404, or a function that writes what it likes to the
    connection (handler.wfile)."""

    def __init__(self, answer):
        self.answer, self.asked, self.headers = answer, [], []
        application = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                address = query.get("address", [urllib.parse.unquote(self.path.rsplit("/", 1)[-1])])[0]
                application.asked.append(address)
                application.headers.append(dict((name.lower(), value) for name, value in self.headers.items()))
                answer = application.answer(address)
                if callable(answer):
                    self.close_connection = True
                    answer(self)
                    return
                body = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(404 if answer is None else 200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.http = harness.HttpServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


def status(code, headers="", body=b""):
    """An answer of another kind."""
    def write(handler):
        handler.wfile.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n%s\r\n" % (code, len(body), headers.encode()) + body)
    return write
