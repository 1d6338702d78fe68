"""console_test.py - the console in a real browser: chromium, driven by playwright-core. Skips where they are not there."""

import http.server
import json
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
    """One server in trouble and one browser for all: to start them takes longer than most checks. They run by name, so what
    changes the failures comes last."""

    @classmethod
    def setUpClass(cls):
        cls.incident = Incident()
        cls.addClassCleanup(cls.incident.close)
        cls.browser = subprocess.Popen(["node", os.path.join(HERE, "check.mjs"), cls.incident.url], text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        cls.addClassCleanup(cls.end_browser)

    @classmethod
    def end_browser(cls):
        cls.browser.stdin.close()
        try:
            cls.browser.wait(60)
        finally:
            cls.browser.kill()
            cls.browser.stdout.close()

    def begin(self, *check):
        self.asked = check[0]
        self.browser.stdin.write(json.dumps(check) + "\n")
        self.browser.stdin.flush()

    def answered(self, what):
        while True:
            line = self.browser.stdout.readline()
            self.assertTrue(line, "the browser has ended")
            name, answer = json.loads(line)
            if name == self.asked:  # and not of one before, that was not waited for
                break
        self.assertTrue(answer == what, answer)

    def check(self, *check):
        self.begin(*check)
        self.answered("ok")

    def story_of(self, recipient):
        return self.incident.ask("history?recipient=%s&limit=1" % recipient)["messages"][0]["id"]

    def test_a_every_page_in_every_look(self):
        self.check("pages", self.story_of("invoices@example.com"))

    def test_b_mail_shows_up_live_and_is_found(self):
        self.begin("live")
        self.answered("ready")
        self.incident.server.send(mail("This came live"), ["orders@example.com"])
        self.answered("ok")

    def test_c_playground(self):
        self.check("rules")

    def test_c_last_errors_of_a_destination(self):
        self.check("errors")

    def test_c_what_if(self):
        self.check("whatIf")

    def test_d_test_button(self):
        self.check("test")

    def test_d_setup(self):
        self.check("setup")

    def test_e_keyboard(self):
        self.check("keys")

    def test_f_sent_again_elsewhere(self):
        count = len(self.incident.good.posts)
        story = self.story_of("orders@example.com")
        self.check("resend", story, self.incident.good.url + "/elsewhere")
        posts = [post for post in self.incident.good.posts[count:] if post.path == "/elsewhere"]
        self.assertEqual(len(posts), 1)
        self.assertNotIn(story, posts[0].id)

    def test_g_pause_and_resume(self):
        count = len(self.incident.good.posts)
        self.begin("pause", self.incident.good.url)
        self.answered("paused")
        self.incident.server.wait_logged("destination-paused")
        self.incident.server.send(mail("It waits"), ["orders@example.com"])
        self.answered("ok")
        self.incident.good.wait_for(count + 1)

    def test_h_mail_is_hostile(self):
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
        self.incident.server.send(HOSTILE % {b"url": url}, ["orders@example.com"], "xscriptx@client.test")
        found = wait_until(lambda: self.incident.ask("history?subject=window.hacked&state=delivered")["messages"], "the hostile mail")
        self.check("hostile", found[0]["id"])
        self.assertEqual(fetched, [])

    def test_z_one_cause_is_retried_and_a_drop_undone(self):
        self.incident.down = False
        self.check("now")
        self.assertEqual(self.incident.ask("failures")["count"], 300 + 60)


if __name__ == "__main__":
    unittest.main()
