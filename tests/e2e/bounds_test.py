"""What one message may take of disk and memory, whatever it is and whoever it is for."""

import os
import smtplib
import threading
import unittest

import harness

MIB = 1 << 20


class Bounds(harness.TestCase):
    def start(self, config="", rule=None):
        rule = rule or "return function(msg) return 'http://127.0.0.1:9/' end"  # nobody is there
        return self.server({"10-all.lua": rule}, config)

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

    def play(self, message, recipients, times, config="", rule=None):
        """The same message so often at once; returns the replies, and checks what it took of disk and memory."""
        mx = self.start("rules = { workers = 2, time_limit = '30s' }\n" + config, rule)
        replies = []
        threads = [threading.Thread(target=lambda: replies.append(self.send_to(mx, message, recipients)))
                   for _ in range(times)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = sum(code == 250 for code, _ in replies)
        self.assertLessEqual(self.stored(mx), taken * (4 * len(message) + 2 * MIB * recipients) + 8 * MIB)
        peak = self.peak(mx)
        print("%d bytes to %d, %d at once: peak %d MiB, stored %d MiB" % (
            len(message), recipients, times, peak // MIB, self.stored(mx) // MIB))
        if not os.environ.get("MXHOOK_SANITIZED"):
            self.assertLess(peak, 256 * MIB)
        return [code for code, _ in replies]

    def send_to(self, mx, message, recipients):
        with mx.smtp() as client:
            client.ehlo()
            client.mail("a@client.test")
            for first in range(0, recipients, 100):
                batch = range(first, min(recipients, first + 100))
                client.send(b"".join(b"RCPT TO:<r%d@example.com>\r\n" % number for number in batch))
                for _ in batch:
                    self.assertEqual(client.getreply()[0], 250)
            return client.data(message)

    def test_memory(self):
        """Large headers to many, more at once than there are workers."""
        fields = b"".join(b"X-%d: %s\r\n" % (i, b"\1" * 230) for i in range(990))
        self.assertEqual(self.play(fields + b"\r\n" + b"x\r\n" * 100000, 100, 4), [250] * 4)

    def test_memory_of_very_many_recipients(self):
        """In full by hand, with MXHOOK_ALL=1: messages of max_size, and as many recipients as there may be."""
        whole = bool(os.environ.get("MXHOOK_ALL"))
        body = b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * (720000 if whole else 14000)
        many = "smtp = { max_recipients = 10000 }\n"
        self.assertEqual(self.play(body, 10000 if whole else 1500, 2, many), [250] * 2)

    def test_memory_of_headers_that_a_rule_changes(self):
        """For each recipient the list is another one: counted in what all runs for a message may set, 32 MiB."""
        fields = b"".join(b"X-%d: y\r\n" % i for i in range(990))
        rule = "return function(msg) msg.headers['X-Customer'] = 'a' return 'http://127.0.0.1:9/' end"
        many = "smtp = { max_recipients = 10000 }\n"
        self.assertEqual(self.play(fields + b"\r\nx\r\n", 1300, 2, many, rule), [250] * 2)
        self.assertEqual(self.play(fields + b"\r\nx\r\n", 1500, 2, many, rule), [451] * 2)
        if os.environ.get("MXHOOK_ALL"):
            self.assertEqual(self.play(fields + b"\r\nx\r\n", 10000, 2, many, rule), [451] * 2)

    def test_all_that_rules_set_for_a_message(self):
        """4 MiB for each of eight recipients, 32 MiB in all; and of a ninth."""
        rule = """return function(msg)
            local n = tonumber(msg.envelope.recipient:match("%%d+"))
            if n < %d then
              for i = 1, 15 do msg.headers["X-" .. i] = ("a"):rep(262144) end
              msg.headers["X-16"] = ("a"):rep(%d)
            end
            return "http://127.0.0.1:9/"
        end"""
        size = 4 * MIB - 15 * 262144 - 16 * 24 - 40 * 24  # a list's entries count, set or not
        self.assertEqual(self.play(b"Subject: x\r\n\r\nx\r\n", 20, 2, rule=rule % (8, size)), [250] * 2)
        self.assertEqual(self.play(b"Subject: x\r\n\r\nx\r\n", 20, 2, rule=rule % (9, size)), [451] * 2)


if __name__ == "__main__":
    unittest.main()
