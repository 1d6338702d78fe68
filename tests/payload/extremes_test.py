#!/usr/bin/env python3
"""Messages that nobody writes by hand: very many, very deep, very large, and not mail at all."""

import base64
import contextlib
import glob
import random
import subprocess
import tempfile
import unittest

from payload import COMMAND, HERE, peak_memory, render

MEMORY_LIMIT = 64 << 20


def multipart(parts, boundary=b"b"):
    lines = [b"Content-Type: multipart/mixed; boundary=" + boundary + b"\r\n\r\n"]
    lines += [b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts]
    return b"".join(lines) + b"--" + boundary + b"--\r\n"


class Many(unittest.TestCase):
    def test_nested_10000_deep(self):
        mail = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i)
                        for i in range(10000)) + b"\r\ninnermost\r\n"
        payload = render(mail)
        [part] = payload["attachments"]
        self.assertEqual(part["type"], "multipart/mixed")
        self.assertTrue(mail.endswith(base64.b64decode(part["content"])))
        self.assertIn(b"innermost", base64.b64decode(part["content"]))
        self.assertIsNone(payload["text"])

    def test_1000_headers(self):
        payload = render(b"".join(b"X-%d: %d\r\n" % (i, i) for i in range(1000)) + b"\r\nbody")
        self.assertEqual([payload["headers"]["X-%d" % i] for i in range(1000)],
                         [str(i) for i in range(1000)])
        self.assertEqual(payload["text"], "body")

    def test_one_header_1000_times(self):
        payload = render(b"".join(b"X-Same: %d\r\n" % i for i in range(1000)) + b"\r\n")
        self.assertEqual(payload["headers"]["X-Same"], [str(i) for i in range(1000)])

    def test_headers_past_their_limits(self):
        for mail in (b"X: y\r\n" * 1001, b"X: " + b"y" * (256 << 10)):
            done = subprocess.run(COMMAND, input=mail, capture_output=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"The header has more than 262144 bytes or 1000 fields", done.stderr)
            self.assertEqual(done.stdout, b"")

    def test_5000_addresses(self):
        mail = b"To: " + b",\r\n ".join(b'"N, %d" <a%d@example.com>' % (i, i)
                                        for i in range(5000)) + b"\r\n\r\n"
        self.assertEqual(render(mail)["to"], [{"name": "N, %d" % i, "email": "a%d@example.com" % i}
                                              for i in range(5000)])

    def test_20000_parts(self):
        mail = multipart([b"Content-Type: a/b\r\n\r\n%d" % i for i in range(20000)])
        parts = render(mail)["attachments"]
        contents = [base64.b64decode(part["content"]) for part in parts]
        self.assertEqual(contents[:9999], [b"%d" % i for i in range(9999)])
        [rest] = contents[9999:]
        self.assertEqual(rest, mail[mail.index(b"\r\n\r\n9999\r\n") - 17:])

    def test_2000000_empty_parts(self):
        payload = render(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\n\n" * 2000000)
        self.assertEqual(len(payload["attachments"]), 1)


class NotMail(unittest.TestCase):
    def test_every_beginning(self):
        """A message cut anywhere is a message."""
        with open(HERE + "/mails/inlines-and-attachments.eml", "rb") as file:
            mail = file.read()
        for size in range(0, len(mail), 5):
            render(mail[:size])

    def test_what_the_fuzzer_found(self):
        for path in glob.glob(HERE + "/../fuzz/regressions/*"):
            with self.subTest(path), open(path, "rb") as file:
                render(file.read())

    def test_random_bytes(self):
        alphabet = [b"\r\n", b"\n", b"--b", b"--b--", b"Content-Type: multipart/mixed; boundary=b",
                    b"Content-Transfer-Encoding: base64", b"=?utf-8?q?", b"?=", b"To: ", b"\"", b"<",
                    b"\0", b"\xff", b"\xe2\x82", b"x", b";", b"=", b" "]
        for seed in range(150):
            chance = random.Random(seed)
            mail = b"".join(chance.choice(alphabet) if chance.random() < 0.7 else
                            bytes([chance.randrange(256)]) for _ in range(200))
            with self.subTest(seed):
                render(mail)


class Large(unittest.TestCase):
    """Nothing that grows with a message: neither one content, one line nor one header."""

    @contextlib.contextmanager
    def bounded(self, write):
        with tempfile.TemporaryFile() as mail, tempfile.TemporaryFile() as out:
            write(mail)
            mail.seek(0)
            subprocess.run(COMMAND, stdin=mail, stdout=out, check=True, timeout=200)
            self.assertLess(peak_memory(), MEMORY_LIMIT)
            out.seek(0)
            yield out

    def test_attachment(self):
        line = base64.b64encode(bytes(range(57))) + b"\r\n"
        count = 1 << 20

        def write(mail):
            mail.write(b"Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n")
            for _ in range(1024):
                mail.write(line * (count // 1024))

        with self.bounded(write) as out:
            head = out.read(4096)
            at = head.index(b'"content":"') + 11
            out.seek(at)
            for _ in range(1024):
                self.assertEqual(out.read(76 * (count // 1024)), line[:76] * (count // 1024))
            self.assertEqual(out.read(), b'","encoding":"binary"}]}\n')

    def test_text_in_one_line(self):
        def write(mail):
            mail.write(b"Content-Type: text/plain; charset=iso-8859-15\r\n\r\n")
            for _ in range(64):
                mail.write(b"\xa4" * (1 << 20))

        with self.bounded(write) as out:
            head = out.read(4096)
            out.seek(head.index(b'"text":"') + 8)
            for _ in range(64):
                self.assertEqual(out.read(3 << 20), "€".encode() * (1 << 20))
            self.assertTrue(out.read().startswith(b'","html":null'))

    def test_header_in_one_line(self):
        """Refused, and not held in memory for that."""
        with tempfile.TemporaryFile() as mail:
            mail.write(b"Subject: ")
            for _ in range(64):
                mail.write(b"x" * (1 << 20))
            mail.write(b"\r\n\r\nbody")
            mail.seek(0)
            done = subprocess.run(COMMAND, stdin=mail, capture_output=True, check=False, timeout=200)
            self.assertEqual(done.returncode, 1)
            self.assertLess(peak_memory(), MEMORY_LIMIT)


if __name__ == "__main__":
    unittest.main()
