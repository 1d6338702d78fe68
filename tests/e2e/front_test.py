"""What stands before mxhook: LMTP clients, proxies, and clients that speak for others. Real ones, where there are."""

import os
import shutil
import smtplib
import subprocess
import tempfile
import unittest

import harness

VERDICTS = """return function(msg)
    local name = msg.envelope.recipient:match("^%%a+")
    if name == "rejected" then return route.reject("Not for me") end
    if name == "deferred" then return route.defer("Later") end
    if name == "dropped" then return route.discard() end
    if name == "hook" then return "%s" end
end"""
ENVELOPE = """return function(msg)
    local e = msg.envelope
    msg.headers["X-Envelope"] = e.client_ip .. " " .. tostring(e.proxy) .. " " .. e.helo .. " " .. tostring(e.user)
    return "%s"
end"""
RECIPIENTS = ["hook@example.com", "rejected@example.com", "deferred@example.com", "nobody@example.com",
              "dropped@example.com"]


class LmtpTest(harness.TestCase):
    def lmtp(self, listen, config=""):
        self.web = self.receiver()
        rules = {"10-verdicts.lua": VERDICTS % self.web.url}
        return self.server(rules, "listen = { { address = %s, protocol = 'lmtp' } }\n%s" % (listen, config),
                           start=False)

    def refused(self, client):
        """smtplib reads one reply at the end of DATA; the others are read here."""
        client.ehlo_or_helo_if_needed()
        self.assertEqual(client.mail("sender@client.test")[0], 250)
        for recipient in RECIPIENTS:
            self.assertEqual(client.rcpt(recipient)[0], 250)
        replies = [client.data(harness.mail())] + [client.getreply() for _ in RECIPIENTS[1:]]
        self.assertEqual(client.noop()[0], 250)
        return {name.split("@")[0]: reply for name, reply in zip(RECIPIENTS, replies) if reply[0] != 250}

    EXPECTED = {"rejected": (550, b"5.7.1 Not for me"), "deferred": (451, b"4.3.0 Later"),
                "nobody": (550, b"5.1.1 No destination for this recipient")}

    def test_smtplib_by_tcp(self):
        mx = self.lmtp("'127.0.0.1:0'")
        mx.start()
        with smtplib.LMTP("127.0.0.1", mx.port, timeout=harness.PATIENCE) as client:
            self.assertEqual(self.refused(client), self.EXPECTED)
            self.assertEqual(self.refused(client), self.EXPECTED)  # the next message of the session
        posts = self.web.wait_for(2)
        self.assertEqual({post.json["headers"]["Delivered-To"] for post in posts}, {"hook@example.com"})
        for name, code in (("hook", "250"), ("dropped", "250")):
            self.assertTrue(mx.logged("accepted", "to=%s@example.com" % name, 'reply="' + code))
        self.assertTrue(mx.logged("refused", "to=rejected@example.com", 'reply="550'))

    def test_smtplib_by_unix_socket(self):
        """Checked as every client is, but it has no address."""
        folder = tempfile.mkdtemp(prefix="mxhook-front-")
        self.addCleanup(shutil.rmtree, folder, True)
        path = os.path.join(folder, "lmtp")
        mx = self.lmtp("'unix:%s'" % path, 'auth = { timeout = "200ms" }\ndns = { resolvers = { "127.0.0.1:9" } }')
        with open(mx.log_path, "a") as log:
            mx.log_start, mx.process = 0, subprocess.Popen([harness.MXHOOK, "run", "--config", mx.config], stderr=log)
        mx.wait_logged("listening", "address=unix:" + path)
        mx.wait_logged("started")
        with smtplib.LMTP(path) as client:
            self.assertEqual(self.refused(client), self.EXPECTED)
        headers = self.web.wait_for(1)[0].json["headers"]
        self.assertNotIn("client-ip", headers["Received-SPF"][0])
        self.assertEqual(mx.stop(), 0)
        self.assertFalse(os.path.exists(path))

    def test_250_is_on_disk(self):
        """Only what was answered 250 is there after a crash."""
        mx = self.lmtp("'127.0.0.1:0'")
        self.web.answer = lambda post: 503
        mx.start()
        with smtplib.LMTP("127.0.0.1", mx.port, timeout=harness.PATIENCE) as client:
            self.assertEqual(self.refused(client), self.EXPECTED)
            mx.kill()
            client.quit = client.close  # nobody answers any more
        self.web.answer = lambda post: 200
        before = len(self.web.posts)
        mx.start()
        posts = self.web.wait_for(before + 1)
        self.assertEqual({post.json["headers"]["Delivered-To"] for post in posts}, {"hook@example.com"})


@unittest.skipUnless(shutil.which("swaks"), "swaks is not installed")
class SwaksTest(harness.TestCase):
    def start(self, config):
        self.web = self.receiver()
        self.mx = self.server({"10-all.lua": ENVELOPE % self.web.url}, config)

    def swaks(self, *arguments):
        return subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(self.mx.port), "--helo",
                               "client.test", "--from", "sender@client.test", "--to", "hook@example.com",
                               *arguments], capture_output=True, text=True, timeout=harness.PATIENCE)

    def envelope(self, *arguments):
        before = len(self.web.posts)
        done = self.swaks(*arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return self.web.wait_for(before + 1)[-1].json["headers"]["X-Envelope"]

    def test_xclient(self):
        self.start('access = { xclient = { "127.0.0.1" }, deny = { "203.0.113.0/24" } }\n')
        self.assertEqual(self.envelope("--xclient-addr", "192.0.2.7", "--xclient-name", "spike.example",
                                       "--xclient-login", "printer"), "192.0.2.7 127.0.0.1 client.test printer")
        self.assertEqual(self.envelope("--xclient-addr", "IPV6:2001:db8::7"), "2001:db8::7 127.0.0.1 client.test nil")
        self.assertEqual(self.envelope(), "127.0.0.1 nil client.test nil")
        denied = self.swaks("--xclient-addr", "203.0.113.7")
        self.assertNotEqual(denied.returncode, 0)
        self.assertIn("554 5.7.1", denied.stdout)
        self.assertTrue(self.mx.logged("xclient", "client=192.0.2.7", "name=spike.example", "proxy=127.0.0.1"))

    def test_xclient_is_not_for_others(self):
        self.start("")
        refused = self.swaks("--xclient-addr", "192.0.2.7")  # gives up where it is not announced
        self.assertNotEqual(refused.returncode, 0)
        self.assertNotIn("XCLIENT", refused.stdout)

    def test_proxy(self):
        self.start("listen = { { address = '127.0.0.1:0', proxy = true } }\n"
                   'access = { proxies = { "127.0.0.1" } }\n')
        for version in "1", "2":
            for family, ip in (("4", "192.0.2.7"), ("6", "2001:db8::7")):
                self.assertEqual(self.envelope(
                    "--proxy-version", version, "--proxy-family", ("TCP" if version == "1" else "AF_INET") +
                    (family if version == "1" else "" if family == "4" else "6"),
                    "--proxy-protocol", "STREAM", "--proxy-source", ip, "--proxy-source-port", "31337",
                    "--proxy-dest", ip, "--proxy-dest-port", "25"), ip + " 127.0.0.1 client.test nil")
        self.assertNotEqual(self.swaks("--timeout", "20", "--quit-after", "HELO").returncode, 0)  # no header
        self.mx.wait_logged("proxy-refused", "client=127.0.0.1")


if __name__ == "__main__":
    unittest.main()
