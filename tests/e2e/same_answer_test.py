"""`mxhook route` says word for word what the server answers at the end of DATA, whoever says no: a rule, the server's
own checks, the configuration."""

import json
import os
import re
import smtplib
import unittest

import harness

RULES = """return {
  alias { ["null@example.com"] = "null", ["no@example.com"] = route.reject("No, thanks"),
          ["later@example.com"] = route.defer("Later, please"), ["plain@example.com"] = route.reject(),
          ["mail@example.com"] = "somebody@example.net" },
  function(msg)
    local recipient = msg.envelope.recipient
    if recipient == "web@example.com" then return "http://127.0.0.1:9/" end
    if recipient == "raises@example.com" then error("on purpose") end
  end,
}"""
# Nobody listens there: what is taken waits.
CONFIG = 'forward = { smarthost = "smtp://127.0.0.1:9" }\nauth = { spf = false, dkim = false, dmarc = false,'
CONFIG += ' reverse_name = false, dnsbl = { { zone = "bl.example", refuse = true } } }\ndns = { resolvers = { "127.0.0.1:9" } }'


def without_id(text):
    return re.sub(r"(queued|taken) as \S+", r"\1 as ID", text)


class SameAnswer(harness.TestCase):
    def compare(self, mx, recipient, message, code):
        with mx.smtp() as client:
            client.ehlo()
            client.mail("a@client.test")
            client.rcpt(recipient)
            answer = client.data(message)
        told = mx.command("route", "--json", "--sender", "a@client.test", "--rcpt", recipient,
                          self.saved(mx, message))
        reply = json.loads(told.stdout)
        with self.subTest(recipient=recipient):
            self.assertEqual(answer[0], code)
            self.assertEqual(without_id("%d %s %s" % (reply["code"], reply["enhanced"], reply["text"])),
                             without_id("%d %s" % (answer[0], answer[1].decode())))
            self.assertEqual(told.returncode, 0 if code == 250 else 1)

    @staticmethod
    def saved(mx, message):
        mx.write("mail.eml", message.decode())
        return os.path.join(mx.folder, "mail.eml")

    def test_what_rules_say(self):
        mx = self.server({"10.lua": RULES}, CONFIG)
        for name, code in {"null": 250, "no": 550, "plain": 550, "later": 451, "web": 250, "raises": 451, "mail": 250,
                           "nobody": 550}.items():
            self.compare(mx, name + "@example.com", harness.mail(), code)

    def test_what_the_server_says_of_mail_that_it_would_forward(self):
        mx = self.server({"10.lua": RULES}, CONFIG)
        loop = b"Delivered-To: mail@example.com\r\n" + harness.mail()
        self.compare(mx, "mail@example.com", loop, 554)
        self.compare(mx, "web@example.com", loop, 250)

    def test_what_the_configuration_says(self):
        mx = self.server({"10.lua": RULES}, CONFIG, start=False)
        told = mx.command("route", "--json", "--rcpt", "web@example.com", "--dnsbl", "bl.example", "--client-ip", "192.0.2.7",
                          self.saved(mx, harness.mail()))
        reply = json.loads(told.stdout)
        self.assertEqual((told.returncode, reply["code"], reply["enhanced"]), (1, 550, "5.7.1"))
        self.assertIn("192.0.2.7", reply["text"])
        self.assertEqual((reply["rules"], reply["destinations"]), ([], []))


if __name__ == "__main__":
    unittest.main()
