"""A message in by several real clients, out as JSON."""

import base64
import email.message
import email.policy
import email.utils
import subprocess
import time
import unittest

import harness


def multipart():
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"] = "José Núñez <jose@client.test>"
    message["To"] = "Hook <hook@example.com>, other@elsewhere.test"
    message["Subject"] = "Ré: préavis — Zürich"
    message["Date"] = "Mon, 23 Nov 2026 10:00:00 +0100"
    message["Message-ID"] = "<multi@client.test>"
    message.set_content("Plain text, naïve.\n")
    message.add_alternative("<p>HTML, naïve</p>\n", subtype="html")
    message.add_attachment(b"%PDF-1.4\n\x00\xff" * 1000, maintype="application", subtype="pdf",
                           filename="invoice.pdf")
    return message


class FirstMail(harness.TestCase):
    def setUp(self):
        self.sink = self.receiver()
        self.mx = self.server(self.to(self.sink, "/mail?x=1"))

    def check_simple(self, post):
        payload = post.json
        self.assertEqual(payload["subject"], "A subject")
        self.assertEqual(payload["text"].strip(), "Some text.")
        self.assertEqual(payload["from"], {"name": "Sender", "email": "sender@client.test"})
        self.assertEqual(payload["return-path"], {"name": None, "email": "sender@client.test"})

    def test_multipart_by_smtplib(self):
        with self.mx.smtp() as client:
            client.send_message(multipart(), "bounce@client.test", ["hook@example.com"])
        post = self.sink.wait_for(1)[0]
        payload = post.json
        self.assertEqual(post.path, "/mail?x=1")
        self.assertEqual(post.headers["content-type"], "application/json")
        self.assertRegex(post.headers["user-agent"], r"^mxhook/\d")
        self.assertLess(abs(int(post.headers["webhook-timestamp"]) - time.time()), 120)
        self.assertEqual(list(payload), ["headers", "to", "from", "subject", "message-id", "date",
                                         "return-path", "timestamp", "text", "html", "inlines",
                                         "attachments"])
        self.assertEqual(payload["to"], [{"name": "Hook", "email": "hook@example.com"},
                                         {"name": None, "email": "other@elsewhere.test"}])
        self.assertEqual(payload["from"], {"name": "José Núñez", "email": "jose@client.test"})
        self.assertEqual(payload["subject"], "Ré: préavis — Zürich")
        self.assertEqual(payload["message-id"], "multi@client.test")
        self.assertEqual(payload["date"], "Mon, 23 Nov 2026 10:00:00 +0100")
        self.assertEqual(payload["timestamp"], 1795424400)
        self.assertEqual(payload["return-path"], {"name": None, "email": "bounce@client.test"})
        self.assertEqual(payload["text"].strip(), "Plain text, naïve.")
        self.assertEqual(payload["html"].strip(), "<p>HTML, naïve</p>")
        self.assertEqual(payload["inlines"], [])
        self.assertEqual(payload["attachments"], [
            {"type": "application/pdf", "name": "invoice.pdf", "encoding": "binary",
             "content": base64.b64encode(b"%PDF-1.4\n\x00\xff" * 1000).decode()}])
        headers = payload["headers"]
        self.assertRegex(headers["X-Forwarding-Service"], r"^mxhook \d")
        self.assertEqual(headers["Delivered-To"], "hook@example.com")
        self.assertEqual(headers["Subject"], "Ré: préavis — Zürich")
        self.assertEqual(len(headers["Received-SPF"]), 1)
        self.assertEqual(len(headers["Authentication-Results"]), 1)

    def test_by_curl(self):
        subprocess.run(["curl", "--silent", "--show-error", "--max-time", "30",
                        "smtp://127.0.0.1:%d/client.test" % self.mx.port,
                        "--mail-from", "sender@client.test", "--mail-rcpt", "hook@example.com",
                        "--upload-file", "-"], input=harness.mail(), check=True)
        self.check_simple(self.sink.wait_for(1)[0])

    def test_by_swaks(self):
        subprocess.run(["swaks", "--silent", "3", "--server", "127.0.0.1",
                        "--port", str(self.mx.port), "--helo", "client.test", "--pipeline",
                        "--from", "sender@client.test", "--to", "hook@example.com",
                        "--data", harness.mail().decode().replace("\r\n", "\n")],
                       check=True, timeout=30)
        self.check_simple(self.sink.wait_for(1)[0])

    def test_each_recipient_and_destination_gets_a_post(self):
        self.mx.write_rule("10-all.lua", """
            return function(msg)
              return '%s/a/' .. msg.envelope.recipient .. ', %s/b'
            end""" % (self.sink.url, self.sink.url))
        self.mx.reload()
        self.mx.send(harness.mail(), ["one@example.com", "two@example.com"])
        posts = self.sink.wait_for(4)
        self.assertEqual(sorted(post.path for post in posts),
                         ["/a/one@example.com", "/a/two@example.com", "/b", "/b"])
        self.assertEqual(len({post.id for post in posts}), 4)
        self.assertEqual(sorted(post.json["headers"]["Delivered-To"] for post in posts),
                         ["one@example.com", "one@example.com", "two@example.com", "two@example.com"])

    def test_a_large_message_goes_by_files(self):
        message = multipart()
        message.add_attachment(bytes(range(256)) * 8192, maintype="application",
                               subtype="octet-stream", filename="2-MiB.bin")
        with self.mx.smtp() as client:
            client.send_message(message, "a@client.test", ["one@example.com", "two@example.com"])
        for post in self.sink.wait_for(2):
            content = base64.b64decode(post.json["attachments"][1]["content"])
            self.assertEqual(content, bytes(range(256)) * 8192)
        harness.wait_until(lambda: not self.mx.command("queue", "list").stdout, "an empty queue")

    def test_one_id_tells_the_whole_story(self):
        self.mx.send(harness.mail())
        post = self.sink.wait_for(1)[0]
        session = post.id.split("-")[0]
        harness.wait_until(lambda: self.mx.logged("disconnected", session) or
                           self.mx.logged("disconnect", session), "the end of the session")
        events = {line.split(" ", 3)[2] for line in self.mx.log().splitlines() if session in line}
        self.assertGreaterEqual(len(events), 4, events)


if __name__ == "__main__":
    unittest.main()
