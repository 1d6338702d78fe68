"""What one message may take of disk and memory, whatever it is and whoever it is for."""

import os
import smtplib
import threading
import unittest

import harness

MIB = 1 << 20


class Bounds(harness.TestCase):
    def start(self, config=""):
        rules = {"10-all.lua": "return function(msg) return 'http://127.0.0.1:9/' end"}  # nobody is there
        return self.server(rules, config)

    def stored(self, mx):
        size = 0
        for folder, _, names in os.walk(mx.folder):
            for name in names:
                if "spool" in os.path.relpath(os.path.join(folder, name), mx.folder):
                    size += os.path.getsize(os.path.join(folder, name))
        return size

    def peak(self, mx):
        with open("/proc/%d/status" % mx.process.pid, encoding="ascii") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) << 10
        raise AssertionError("no VmHWM")

    def test_disk(self):
        """Bytes that JSON has long forms for: six times, which is over the limit from 1 MiB on."""
        mx = self.start()
        mx.send(b"Subject: x\r\n\r\n" + (b"\1" * 900 + b"\r\n") * 1000)
        with self.assertRaises(smtplib.SMTPDataError) as refused:
            mx.send(b"Subject: x\r\n\r\n" + (b"\1" * 900 + b"\r\n") * 1300)
        self.assertEqual((refused.exception.smtp_code, refused.exception.smtp_error),
                         (552, b"5.3.4 Its contents take too many times its size"))
        self.assertLess(self.stored(mx), 4 * 900000 + 2 * MIB + 4 * MIB)  # SQLite's own files

    def test_memory(self):
        """Large headers to many, with two workers at once."""
        mx = self.start()
        fields = b"".join(b"X-%d: %s\r\n" % (i, b"\1" * 230) for i in range(990))
        message = fields + b"\r\n" + b"x\r\n" * 100000
        recipients = ["r%d@example.com" % i for i in range(100)]
        threads = [threading.Thread(target=mx.send, args=(message, recipients)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(mx.logged("accepted")), 4)
        self.assertLess(self.stored(mx), 4 * (4 * len(message) + 2 * MIB * len(recipients)))
        if not os.environ.get("MXHOOK_SANITIZED"):
            self.assertLess(self.peak(mx), 256 * MIB)


if __name__ == "__main__":
    unittest.main()
