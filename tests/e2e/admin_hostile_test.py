"""admin_hostile_test.py - requests that the admin room refuses, what it holds out, and whom it still answers meanwhile."""

import json
import os
import re
import socket
import threading
import time
import unittest

from admin import AdminCase
from harness import wait_until

HOST = "Host: localhost\r\n"
CLOSE = "Connection: close\r\n"
TOKEN = "Authorization: Bearer 0123456789abcdef\r\n"
JSON = "Content-Type: application/json\r\n"
ADMIN = 'tokens = { script = { role = "operate", token = "0123456789abcdef" } }, hosts = { "mx.test" }'


class HostileTest(AdminCase):
    def statuses(self, request):
        """Of the answers to a request, and to one that would be taken behind it."""
        answer = self.raw(request + "GET /livez HTTP/1.1\r\n" + HOST + CLOSE + "\r\n")
        return [int(status) for status in re.findall(r"^HTTP/1\.[01] (\d+) ", answer, re.M)]

    def test_requests_that_can_be_read_in_two_ways(self):
        self.serve(ADMIN)
        get, post = "GET /livez HTTP/1.1\r\n" + HOST, "POST /api/v1/reload HTTP/1.1\r\n" + HOST + TOKEN
        chunked = "Transfer-Encoding: chunked\r\n"
        for name, request in {
            "two types": post + JSON + "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
            "two tokens": get + TOKEN + "Authorization: Bearer x\r\n\r\n",
            "two sites": post + JSON + "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 2\r\n\r\n{}",
            "two origins": get + "Origin: null\r\nOrigin: http://localhost\r\n\r\n",
            "two cookies": get + "Cookie: mxhook=x\r\ncookie: mxhook=y\r\n\r\n",
            "two encodings": post + JSON + chunked + chunked + "\r\n2\r\n{}\r\n0\r\n\r\n",
            "space behind a name": get + "Host : evil.example\r\n\r\n",
            "space behind the length's name": post + JSON + "Content-Length : 2\r\n\r\n{}",
            "a line begins with a space": "GET /livez HTTP/1.1\r\n Host: evil.example\r\n" + HOST + "\r\n",
            "other encodings": post + JSON + "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            "no encoding": post + JSON + "Transfer-Encoding: identity\r\n\r\n{}",
            "encoding of another name": post + JSON + "Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            "chunks in 1.0": (post + JSON + chunked).replace("1.1", "1.0") + "\r\n2\r\n{}\r\n0\r\n\r\n",
            "length with a sign": post + JSON + "Content-Length: +2\r\n\r\n{}",
            "lengths in a list": post + JSON + "Content-Length: 2, 2\r\n\r\n{}",
            "length in hex": post + JSON + "Content-Length: 0x2\r\n\r\n{}",
            "empty length": post + JSON + "Content-Length:\r\n\r\n{}",
            "chunk in hex with 0x": post + JSON + chunked + "\r\n0x2\r\n{}\r\n0\r\n\r\n",
            "chunk below zero": post + JSON + chunked + "\r\n-2\r\n{}\r\n0\r\n\r\n",
            "folded host": "GET /livez HTTP/1.1\r\nHost: localhost\r\n .evil.example\r\n\r\n",
            "no version": "GET /livez\r\n\r\n",
            "version in lower case": "GET /livez http/1.1\r\n" + HOST + "\r\n",
            "1.0 without a host": "GET /livez HTTP/1.0\r\n\r\n",
        }.items():
            with self.subTest(name):
                # The library gives its own errors two heads: what matters is that no other request is answered.
                self.assertEqual(set(self.statuses(request)), {400}, name)

    def test_a_body_that_nobody_asked_for_ends_the_connection(self):
        self.serve(ADMIN)
        for body in ("Content-Length: 2\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Content-Length: 0\r\n\r\n"):
            self.assertEqual(self.statuses("GET /livez HTTP/1.1\r\n" + HOST + body), [200], body)
        self.assertEqual(self.statuses(("GET /livez HTTP/1.1\r\n" + HOST + "\r\n") * 20), [200] * 21)
        trailers = "2;x=y\r\n{}\r\n0\r\nHost: evil.example\r\nContent-Length: 5\r\n\r\n"
        found = self.statuses("POST /api/v1/reload HTTP/1.1\r\n" + HOST + TOKEN + JSON + "Transfer-Encoding: chunked\r\n\r\n" + trailers)
        self.assertIn(set(found), ({200}, {400}))  # libmicrohttpd 1.0 (Debian 13) refuses such trailers, 0.9 skips them
        self.assertEqual(len(found), 1)

    def test_targets_and_methods(self):
        self.serve(ADMIN)
        for line, status in {
            "GET http://localhost/livez HTTP/1.1": 404, "GET http://evil.example/livez HTTP/1.1": 404, "GET localhost:80 HTTP/1.1": 404,
            "CONNECT localhost:80 HTTP/1.1": 405, "OPTIONS * HTTP/1.1": 405, "OPTIONS /api/v1/reload HTTP/1.1": 405, "get /livez HTTP/1.1": 405,
            "GET /livez HTTP/2.0": 505, "PRI * HTTP/2.0": 505, "GET /livez%00 HTTP/1.1": 404, "GET /livez?x=%00 HTTP/1.1": 404,
            "GET /api/v1/%2e%2e/v1/status HTTP/1.1": 404, "GET /%c0%ae%c0%ae/etc/passwd HTTP/1.1": 404, "GET /api%c0%afv1%c0%afstatus HTTP/1.1": 404,
            "GET \\livez HTTP/1.1": 404, "GET /livez%zz HTTP/1.1": 404, "GET /%256c%69vez HTTP/1.1": 404, "GET /livez#x HTTP/1.1": 404,
            "GET /api/v1/status?token=0123456789abcdef HTTP/1.1": 401, "GET /api/v1/reload HTTP/1.1": 405,
        }.items():
            with self.subTest(line):
                self.assertEqual(self.statuses(line + "\r\n" + HOST + CLOSE + "\r\n")[0], status, line)
        # A page of another site asks first, and is told nothing that would let it go on.
        preflight = self.raw("OPTIONS /api/v1/reload HTTP/1.1\r\n" + HOST + CLOSE + "Origin: http://evil.example\r\n"
                             "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n\r\n")
        self.assertNotIn("access-control", preflight.lower())
        self.assertEqual(self.statuses("GET /api/v1/reload HTTP/1.1\r\nX-HTTP-Method-Override: POST\r\n" + HOST + TOKEN + CLOSE + "\r\n"), [405])
        self.assertEqual(self.statuses("GET /api/v1/status HTTP/1.1\r\n" + HOST + CLOSE + "X-Forwarded-For: 127.0.0.1\r\nForwarded: for=127.0.0.1\r\n\r\n"), [401])
        whole = self.raw("GET /app.js HTTP/1.1\r\n" + HOST + CLOSE + "Range: bytes=0-1,0-1,0-\r\n\r\n")
        self.assertRegex(whole, "^HTTP/1.1 200 ")

    def test_hosts_are_names_or_addresses(self):
        self.serve(ADMIN)
        for host, status in {
            "localhost:": 200, "localhost:80": 200, "[::1]": 200, "[::1]:8026": 200, "mx.test": 200, "MX.TEST:1": 200, "10.0.0.1": 200,
            "localhost:x": 421, "localhost:80:80": 421, "[::1]evil.example": 421, "[::1]:x": 421, "[::1": 421, "::1": 421, "[fe80::1%lo]": 421,
            "[localhost]": 421, "[127.0.0.1]": 421, "127.0.0.1.": 421, "localhost.": 421, "mx.test.": 421, "user@localhost": 421,
            "localhost@evil.example": 421, "mx.test, evil.example": 421, "localhost/evil": 421, "localhost#": 421, "localhost evil": 421,
            "": 421, "*": 421, ".": 421, "999.1.1.1": 421, "0x7f.0.0.1": 421, "x" * 300: 421, "mx.test.evil.example": 421, "evil-mx.test": 421,
        }.items():
            with self.subTest(host):
                self.assertEqual(self.statuses("GET /livez HTTP/1.1\r\nHost: " + host + "\r\n" + CLOSE + "\r\n")[0], status, host)

    def test_a_thousand_connections_leave_the_operator_in(self):
        self.serve()
        taken = []
        self.addCleanup(lambda: [s.close() for s in taken])
        for number in range(1000):
            s = socket.create_connection(("127.0.0.1", self.port), timeout=30)
            taken.append(s)
            try:
                s.sendall(b"GET /livez HTTP/1.1\r\n")  # and no more
            except OSError:
                pass  # there were too many
        self.assertEqual(self.ask("/livez"), (200, "ok\n"))
        self.assertEqual(self.server.command("health").stdout, "ok\n")
        refused = self.raw("GET /livez HTTP/1.1\r\n" + HOST + CLOSE + "\r\n")
        self.assertEqual(refused, "")
        for s in taken:
            s.close()
        wait_until(lambda: self.raw("GET /livez HTTP/1.1\r\n" + HOST + CLOSE + "\r\n"), "the others to be let in again", 60)

    def test_whoever_goes_away_half_way_is_forgotten(self):
        self.serve()
        for request in ("GET /livez HTTP/1.1\r\n", "POST /api/v1/reload HTTP/1.1\r\n" + HOST + JSON + "Content-Length: 100\r\n\r\n{",
                        "GET /api/v1/events HTTP/1.1\r\n" + HOST + "\r\n", "GET /api/v1/rules HTTP/1.1\r\n" + HOST + "\r\n"):
            for half in (True, False):
                with socket.create_connection(("127.0.0.1", self.port), timeout=30) as s:
                    s.sendall(request.encode())
                    if half:
                        s.shutdown(socket.SHUT_WR)
        self.assertEqual(self.ask("/livez"), (200, "ok\n"))

    def test_reloads_while_requests_are_under_way(self):
        self.serve()
        wrong, ended = [], threading.Event()

        def ask(path):
            while not ended.is_set():
                status, text = self.ask(path)
                if status != 200:
                    wrong.append((path, status, text))

        threads = [threading.Thread(target=ask, args=[path]) for path in ("/api/v1/status", "/api/v1/rules", "/metrics", "/api/v1/history", "/readyz")]
        for thread in threads:
            thread.start()
        for _ in range(20):
            self.assertEqual(json.loads(self.ask("/api/v1/reload", {})[1]), {"reloaded": "1 rule, 0 aliases"})
        ended.set()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_ambiguous_requests_are_refused_and_closed(self):
        self.serve()
        head = "POST /api/v1/reload HTTP/1.1\r\nContent-Type: application/json\r\nAuthorization: Bearer x\r\n"
        for name, request in {
            "two lengths": head + "Host: localhost\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
            "different lengths": head + "Host: localhost\r\nContent-Length: 2\r\nContent-Length: 30\r\n\r\n{}",
            "length and encoding": head + "Host: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            "two hosts": "GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
            "no host": "GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n",
            "bad length": head + "Host: localhost\r\nContent-Length: 2x\r\n\r\n{}",
        }.items():
            with self.subTest(name):
                answer = self.raw(request + "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertRegex(answer, r"^HTTP/1.1 400 ", name)
                self.assertNotIn("HTTP/1.1 200", answer)

    def test_after_a_body_the_connection_closes(self):
        self.serve()
        answer = self.raw("POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                          "Sec-Fetch-Site: same-origin\r\nContent-Length: 2\r\n\r\n{}"
                          "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(answer.count("HTTP/1.1 "), 1, answer)
        self.assertIn("401", answer)

    def test_only_our_hosts(self):
        self.serve('hosts = { "mx.example.com" }')
        for host, status in {"localhost": 200, "LOCALHOST:%d" % self.port: 200, "127.0.0.1:%d" % self.port: 200,
                             "[::1]:8026": 200, "mx.example.com": 200, "MX.example.com:80": 200,
                             "attacker.example": 421, "localhost.attacker.example": 421, "127.0.0.1.nip.example": 421,
                             "mx.example.com.": 421, "2130706433": 200, "evil@localhost": 421, "[": 421}.items():
            with self.subTest(host):
                self.assertEqual(self.ask("/livez", headers={"Host": host}, unix=False)[0], status)

    def test_changes_only_from_our_page_or_a_program(self):
        self.serve('tokens = { script = { role = "operate", token = "0123456789abcdef" } }')
        token = {"Authorization": "Bearer 0123456789abcdef"}
        page = {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:%d" % self.port}
        for headers, status in [(token, 200), ({**token, **page}, 200), ({**token, "Origin": "http://evil.example"}, 403),
                                ({**token, "Sec-Fetch-Site": "cross-site"}, 403), ({**token, "Sec-Fetch-Site": "same-site"}, 403),
                                ({**token, "Sec-Fetch-Site": "none"}, 403), ({**token, "Content-Type": "text/plain"}, 403),
                                ({**token, "Content-Type": "application/x-www-form-urlencoded"}, 403),
                                ({**token, "Content-Type": "application/jsonp"}, 403), ({}, 403), (page, 401)]:
            with self.subTest(headers):
                self.assertEqual(self.ask("/api/v1/reload", {}, headers, unix=False)[0], status)
        self.assertEqual(self.ask("/api/v1/reload", headers=token, unix=False)[0], 405)

    def test_other_sites_read_nothing(self):
        self.serve()
        self.assertEqual(self.ask("/api/v1/status", headers={"Sec-Fetch-Site": "cross-site"}, unix=False)[0], 403)
        self.ask("/api/v1/status", unix=False)
        self.assertNotIn("Access-Control-Allow-Origin", self.headers)
        self.assertIn("default-src 'none'", self.headers["Content-Security-Policy"])
        self.assertEqual(self.headers["X-Content-Type-Options"], "nosniff")

    def test_encoded_paths_get_no_further(self):
        self.serve('tokens = { view = { role = "view", token = "0123456789abcdef" } }')
        token = {"Authorization": "Bearer 0123456789abcdef"}
        for path, status in {"/%61pi/v1/payload?id=x": 403, "/api/v1/%70ayload?id=x": 403, "/api//v1/payload": 404,
                             "/api/v1/payload/": 404, "/api/v1/../v1/payload": 404, "/api/v1/payload%00": 404,
                             "/..%2f..%2fetc/passwd": 404, "/index.html%2f": 404, "//livez": 404}.items():
            with self.subTest(path):
                self.assertEqual(self.ask(path, headers=token, unix=False)[0], status)
        self.assertEqual(self.ask("/%61pi/v1/status", unix=False)[0], 401)

    def test_large_and_slow_requests_end(self):
        self.serve()
        self.assertRegex(self.raw("GET /%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % ("x" * 3000)), r"^HTTP/1.1 414")
        self.assertRegex(self.raw("GET /livez HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n" % ("x" * 60000)), r"^HTTP/1.1 4\d\d")
        answer = self.raw("POST /api/v1/playground HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                          "Sec-Fetch-Site: same-origin\r\nContent-Length: %d\r\n\r\n" % (2 * 1024 * 1024 + 1))
        self.assertRegex(answer, r"^HTTP/1.1 413")
        self.assertEqual(self.ask("/api/v1/playground", " " * (2 * 1024 * 1024))[0], 400)  # not too large
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as s:
            s.sendall(b"GET /livez HTTP/1.1\r\n")
            try:
                while time.monotonic() - begun < 50:
                    s.sendall(b"X: y\r\n")
                    time.sleep(0.5)
                self.fail("still taken after 50 s")
            except OSError:
                pass
        self.assertEqual(self.ask("/livez")[0], 200)

    def test_odd_methods(self):
        self.serve()
        for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"):
            self.assertEqual(self.ask("/api/v1/status", method=method)[0], 405, method)
        self.assertEqual(self.ask("/livez", method="HEAD"), (200, ""))


if __name__ == "__main__":
    unittest.main()
