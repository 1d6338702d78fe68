"""What senders and receivers wrote does not act on the terminal of who looks at it: no command prints control characters,
or what turns the direction of writing or shows nothing, as it is; not in JSON either, which means the same."""

import json
import os
import pty
import re
import subprocess
import unittest

import harness
from harness import MXHOOK, PATIENCE, wait_until

# C0, DEL, C1, soft hyphen, marks and isolates, zero width, line and paragraph ends, byte order mark, annotations, tags.
UNSAFE = "\x1b\x7f\x85\x9b\u00ad\u061c\u180e\u200b\u200f\u2028\u2029\u202e\u2066\u2069\ufeff\ufff9\U000e0001\U000e0041"
SHOWN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
                   "\ufff9-\ufffb\U000e0000-\U000e0fff]")
RULE = """return function(msg)
    if msg.subject and msg.subject:find("fault") then error(msg.subject) end
    return "%s/%%E2%%80%%AE"
end"""
CONFIG = """history = { subjects = true, bodies = "all" }
deliver = { attempts = 1 }
admin = { listen = { "unix:%s/a" } }
"""
MAIL = b"From: =?utf-8?q?=1B]0;x=07=C2=9B?= <%s@client.test>\r\nSubject: %s\r\n\r\n%s\xff\xc0\x80\r\n"


class Terminal(harness.TestCase):
    def setUp(self):
        web = self.receiver(lambda post: (500, {}, UNSAFE.encode() + b"\xff\xed\xa0\x80"))
        self.mx = self.server({"10.lua": RULE % web.url}, "", start=False)
        self.mx.append(CONFIG % self.mx.folder)
        self.mx.start()
        self.url = web.url + "/%E2%80%AE"
        self.file = os.path.join(self.mx.folder, "mail.eml")
        unsafe = UNSAFE.encode()
        with open(self.file, "wb") as file:
            file.write(MAIL % (b"s", b"fault" + unsafe, unsafe))
        with self.mx.smtp() as client:
            client.ehlo()
            self.assertEqual(client.docmd("EHLO", "x")[0], 250)
            client.sock.sendall("MAIL FROM:<s\u202e\x85@client.test> SMTPUTF8\r\nRCPT TO:<r\u2028\u200b@example.com>\r\n".encode())
            self.assertEqual([client.getreply()[0] for _ in range(2)], [250, 250])
            self.assertEqual(client.data(MAIL % (b"s", b"s" + unsafe, unsafe))[0], 250)
        self.id = wait_until(lambda: self.mx.command("queue", "list", "--failed").stdout.split(), "a failure")[0]

    def run_on(self, terminal, *arguments):
        """All that it prints, on a terminal or not."""
        command = [MXHOOK, *arguments, "--config", self.mx.config]
        if not terminal:
            return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE).stdout.decode()
        master, slave = pty.openpty()
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave) as process:
            os.close(slave)
            printed = b""
            while True:
                try:
                    printed += os.read(master, 65536)
                except OSError:  # nobody has it open any more
                    break
            process.wait(PATIENCE)
        os.close(master)
        return printed.decode().replace("\r\n", "\n")

    def test_nothing_acts_on_the_terminal(self):
        message = self.id.rsplit("-", 1)[0]
        self.run_on(False, "destination", "pause", self.url, "--reason", "why" + UNSAFE)
        wait_until(lambda: message in self.run_on(False, "history", "list"), "the history")
        for arguments in (["queue", "list"], ["queue", "list", "--failed"], ["queue", "show", self.id], ["queue", "failures"],
                          ["queue", "origins"], ["history", "list"], ["history", "show", message], ["history", "story", message],
                          ["destination", "list"], ["status"], ["nodes"], ["route", self.file], ["log", self.mx.log_path]):
            text = self.run_on(True, *arguments)
            self.assertIsNone(SHOWN.search(text), (arguments, ascii(text)))

    def test_json_means_the_same(self):
        message = self.id.rsplit("-", 1)[0]
        self.run_on(False, "destination", "pause", self.url, "--reason", "why" + UNSAFE)
        wait_until(lambda: message in self.run_on(False, "history", "list"), "the history")
        found = 0
        for arguments in (["queue", "list"], ["queue", "show", self.id], ["queue", "failures"], ["history", "list"],
                          ["history", "show", message], ["destination", "list"]):
            plain = self.run_on(False, *arguments, "--json")
            shown = self.run_on(True, *arguments, "--json")
            self.assertIsNone(SHOWN.search(shown), (arguments, ascii(shown)))
            self.assertEqual(json.loads(shown), json.loads(plain), arguments)
            found += SHOWN.search(plain) is not None
        self.assertGreater(found, 3)

    def test_errors(self):
        self.mx.write_rule("10.lua", "error('x%s')" % UNSAFE.replace("\x1b", "").replace("\x7f", ""))
        for arguments in (["check"], ["reload"], ["status"], ["status", "--json"]):
            text = self.run_on(True, *arguments)
            self.assertIsNone(SHOWN.search(text), (arguments, ascii(text)))


if __name__ == "__main__":
    unittest.main()
