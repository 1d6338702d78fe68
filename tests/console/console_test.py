"""console_test.py - the console in a real browser: chromium, driven by playwright-core. Skips where they are not there."""

import http.server
import os
import subprocess
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from incident import Incident, mail, wait_until  # noqa: E402

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
MISSING = [path for path in (CHROMIUM, os.path.join(HERE, "node_modules/playwright-core")) if not os.path.exists(path)]

HOSTILE = (b"From: =?utf-8?q?=3Cscript=3Ehacked=3D1=3C/script=3E?= <ann@client.test>\r\nTo: <orders@example.com>\r\n"
           b"Subject: <script>window.hacked=1</script><img src=%(url)s/subject onerror=hacked=1>\r\n"
           b"X-<img>: <img src=%(url)s/header>\r\nMessage-ID: <\"><img src=%(url)s/id onerror=hacked=1>@x>\r\n"
           b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
           b"<script>parent.hacked=1;top.hacked=1;alert(1)</script><img src=%(url)s/html onerror=\"top.hacked=1\">"
           b"<link rel=stylesheet href=%(url)s/css><iframe src=%(url)s/frame></iframe><body onload=top.hacked=1 background=%(url)s/bg>"
           b"<style>@import '%(url)s/import'; body { background: url(%(url)s/style) }</style><meta http-equiv=refresh content='0;url=%(url)s/refresh'>"
           b"<form action=%(url)s/form><button autofocus onfocus=top.hacked=1></form><base href=%(url)s/><svg onload=top.hacked=1>\r\n"
           b"--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=\"<img src=x onerror=hacked=1>.txt\"\r\n\r\nx\r\n--b--\r\n")


@unittest.skipIf(MISSING, "SKIPPED: not there (scripts/setup): %s" % ", ".join(MISSING))
class ConsoleTest(unittest.TestCase):
    def setUp(self):
        self.incident = Incident()
        self.addCleanup(self.incident.close)

    def command(self, name, *arguments):
        return ["node", os.path.join(HERE, "check.mjs"), self.incident.url, name, *arguments]

    def check(self, name, *arguments):
        result = subprocess.run(self.command(name, *arguments), capture_output=True, text=True, timeout=240)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_every_page_in_every_look(self):
        story = self.incident.ask("history?recipient=invoices@example.com&limit=1")["messages"][0]["id"]
        self.check("pages", story)

    def test_one_cause_is_retried_and_a_drop_undone(self):
        self.incident.down = False
        self.check("now")
        self.assertEqual(self.incident.ask("failures")["count"], 40 + 12)

    def test_mail_shows_up_live_and_is_found(self):
        process = subprocess.Popen(self.command("live"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline().strip(), "ready")
        self.incident.server.send(mail("This came live"), ["orders@example.com"])
        output, _ = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, output)

    def test_playground(self):
        self.check("rules")

    def test_test_button(self):
        self.check("test")

    def test_keyboard(self):
        self.check("keys")

    def test_mail_is_hostile(self):
        fetched = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                fetched.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.addCleanup(listener.server_close)
        self.addCleanup(listener.shutdown)
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        url = b"http://127.0.0.1:%d" % listener.server_address[1]
        self.incident.server.send(HOSTILE % {b"url": url}, ["orders@example.com"], "<script>@client.test".replace("<", "x").replace(">", "x"))
        found = wait_until(lambda: self.incident.ask("history?subject=window.hacked&state=delivered")["messages"], "the hostile mail")
        self.check("hostile", found[0]["id"])
        self.assertEqual(fetched, [])


if __name__ == "__main__":
    unittest.main()
