"""What a header may hold, at the end of DATA: on both sides of each limit, and what stands in front."""

import smtplib
import unittest

import harness

BYTES, FIELDS = 256 << 10, 1000


class Header(harness.TestCase):
    def setUp(self):
        self.receiver_ = self.receiver()
        self.mx = self.server(self.to(self.receiver_))

    def refusal(self, message):
        try:
            self.mx.send(message)
        except smtplib.SMTPDataError as error:
            return error.smtp_code, error.smtp_error.decode()
        return None

    def test_limits(self):
        field = b"A: b\r\n"
        filler = b"\r\n ".join([b"x" * 900] * 300)
        long = b"Subject: " + filler[:BYTES - 11] + b"\r\n"
        self.assertEqual(len(long), BYTES)
        for inside, over in ((field * FIELDS, field * (FIELDS + 1)),
                             (long, long.replace(b"Subject:", b"Subject: "))):
            self.assertIsNone(self.refusal(inside + b"\r\nx\r\n"))
            code, text = self.refusal(over + b"\r\nx\r\n")
            self.assertEqual(code, 552)
            self.assertEqual(text, "5.3.4 The header has more than 262144 bytes or 1000 fields")
        self.receiver_.wait_for(2)

    def test_an_mbox_line_in_front(self):
        for line in (b"From x\r\n", b">From x\r\n"):
            self.assertIsNone(self.refusal(line + b"From: a@b.example\r\n\r\nx\r\n"))
        for post in self.receiver_.wait_for(2):
            self.assertEqual(post.json["from"], {"name": None, "email": "a@b.example"})
            self.assertEqual(post.json["text"], "x\n")


if __name__ == "__main__":
    unittest.main()
