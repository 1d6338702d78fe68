"""Signed, broken and unsigned messages through the room as the server uses it, with nsd as DNS.

usage: AUTH_TOOL=... messages_test.py        prints a table of what was found
"""

import os
import subprocess
import sys
import tempfile
import time
import unittest

import nameservers
from material import ED25519, SMALL, mail, rsa_key_of, sign, zones
from tool import TOOL, check

CORPUS = os.environ["MXHOOK_CORPORA"]
TABLE = []


class Messages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.nsd = nameservers.Nsd(zones())

    @classmethod
    def tearDownClass(cls):
        cls.nsd.close()
        print("%-34s %-10s %-34s %s" % ("message", "spf", "dkim", "dmarc"))
        for row in TABLE:
            print("%-34s %-10s %-34s %s" % row)

    def expect(self, message, spf, signatures, dmarc, **named):
        r = check(self.nsd.port, message, **named)
        words = [part.split(" ")[0].split("=")[1] for part in r.dkim]
        found = (r.spf.split(" ")[0][4:], words, r.dmarc.split(" ")[0][6:])
        TABLE.append((self._testMethodName[5:].replace("_", " "), found[0], ", ".join(words), found[2]))
        self.assertEqual(found, (spf, signatures, dmarc), r.results)
        return r

    def test_unsigned_from_its_own_host(self):
        r = self.expect(mail(), "pass", ["none"], "pass")
        self.assertEqual(r.received_spf, "pass (mx.test: domain of good.test designates 192.0.2.1 as "
                         "permitted sender) receiver=mx.test; client-ip=192.0.2.1; helo=helo.good.test;")
        self.assertEqual(r.results, "mx.test; spf=pass (mx.test: domain of good.test designates "
                         "192.0.2.1 as permitted sender) smtp.mailfrom=good.test; dkim=none; "
                         "dmarc=pass (p=reject) header.from=good.test")

    def test_unsigned_from_elsewhere(self):
        r = self.expect(mail(), "fail", ["none"], "fail", ip="198.51.100.1")
        self.assertIn("fail (mx.test: domain of good.test does not designate 198.51.100.1 as "
                      "permitted sender) receiver=", r.received_spf)
        self.assertEqual(r.verdict, "refuse")

    def test_rsa(self):
        r = self.expect(sign(mail()), "fail", ["pass"], "pass", ip="198.51.100.1")
        self.assertIn("header.d=good.test header.s=rsa header.a=rsa-sha256 header.b=", r.dkim[0])

    def test_ed25519(self):
        self.expect(sign(mail(), selector="ed", key=ED25519), "fail", ["pass"], "pass",
                    ip="198.51.100.1")

    def test_every_canonicalization(self):
        message = mail(body="Two  spaces \t\r\n\r\n\r\n")
        for canon in ("simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"):
            with self.subTest(canon):
                self.expect(sign(message, canon=canon), "pass", ["pass"], "pass")

    def test_rsa_and_ed25519(self):
        message = sign(sign(mail()), selector="ed", key=ED25519)
        self.expect(message, "pass", ["pass", "pass"], "pass")

    def test_rfc_8463_example(self):
        path = os.path.join(CORPUS, "dkim/rfc8463-example.msg")
        if not os.path.exists(path):
            self.skipTest("there is no " + path)
        with open(path, "rb") as file:
            message = file.read().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        r = self.expect(message, "none", ["pass", "pass"], "none", sender="x@football.example.com")
        self.assertIn("header.a=ed25519-sha256", r.dkim[0])
        self.assertIn("header.a=rsa-sha256", r.dkim[1])
        self.assertIn("none (mx.test: domain of football.example.com does not designate permitted "
                      "sender hosts) ", r.received_spf)

    def test_large_body_from_a_file(self):
        body = "All work and no play.\r\n" * 60000
        self.expect(sign(mail(body=body)), "pass", ["pass"], "pass")
        r = self.expect(sign(mail(body=body))[:-2] + b"!\r\n", "pass", ["fail"], "pass")
        self.assertIn("the body was changed", r.dkim[0])

    def test_changed_body(self):
        message = sign(mail()).replace(b"Good morning", b"Good evening")
        r = self.expect(message, "fail", ["fail"], "fail", ip="198.51.100.1")
        self.assertIn("dkim=fail (the body was changed)", r.dkim[0])
        self.assertEqual(r.verdict, "refuse")

    def test_changed_header(self):
        message = sign(mail()).replace(b"Subject: A test", b"Subject: A pest")
        r = self.expect(message, "pass", ["fail"], "pass")
        self.assertIn("the signature does not fit the header", r.dkim[0])

    def test_one_good_and_one_broken(self):
        message = sign(mail(), selector="ed", key=ED25519)
        message = sign(message).replace(b"h=", b"h=x-none:", 1)
        self.expect(message, "fail", ["fail", "pass"], "pass", ip="198.51.100.1")

    def test_no_key(self):
        self.expect(sign(mail(), selector="absent"), "pass", ["permerror"], "pass")

    def test_another_key(self):
        self.expect(sign(mail(), selector="other"), "pass", ["fail"], "pass")

    def test_revoked_key(self):
        self.expect(sign(mail(), selector="revoked"), "pass", ["permerror"], "pass")

    def test_key_that_is_none(self):
        self.expect(sign(mail(), selector="nonsense"), "pass", ["permerror"], "pass")

    def test_key_of_768_bits(self):
        r = self.expect(sign(mail(), selector="small", key=SMALL), "fail", ["policy"], "fail",
                        ip="198.51.100.1")
        self.assertIn("header.s=small", r.dkim[0])

    def test_rsa_sha1(self):
        self.expect(sign(mail(), algorithm="rsa-sha1"), "fail", ["policy"], "fail",
                    ip="198.51.100.1")

    def test_signature_without_needed_tags(self):
        message = b"DKIM-Signature: v=1; a=rsa-sha256; d=good.test\r\n" + mail()
        self.expect(message, "pass", ["permerror"], "pass")

    def test_signature_that_is_no_list(self):
        self.expect(b"DKIM-Signature: =;=;\xff(\r\n" + mail(), "pass", ["permerror"], "pass")

    def test_signature_of_another_domain(self):
        message = sign(mail("Ann <ann@nodmarc.test>"))
        self.expect(message, "fail", ["pass"], "none", sender="ann@nodmarc.test", ip="198.51.100.1")

    def test_eight_signatures_and_one_more(self):
        eight = mail()
        for _ in range(8):
            eight = sign(eight)
        self.expect(eight, "pass", ["pass"] * 8, "pass")
        r = self.expect(sign(eight), "pass", ["pass"] * 8 + ["policy"], "pass")
        self.assertIn("more or larger signatures than are checked", r.dkim[8])

    def test_a_header_that_is_too_large(self):
        for name, extra in (("bytes", "X-A: %s\r\n" % ("a" * 900 + "\r\n ") * 300),
                            ("fields", "X-A: a\r\n" * 1000)):
            with self.subTest(name):
                r = self.expect(sign(mail(extra=extra)), "pass", ["policy"], "permerror")
                self.assertEqual(r.verdict, "take")

    def test_softfail(self):
        r = self.expect(mail(), "softfail", ["none"], "fail", sender="a@soft.good.test")
        self.assertIn("softfail (mx.test: domain of transitioning soft.good.test does not designate "
                      "192.0.2.1 as permitted sender)", r.received_spf)

    def test_neutral(self):
        r = self.expect(mail(), "neutral", ["none"], "fail", sender="a@neutral.good.test")
        self.assertIn("neutral (mx.test: 192.0.2.1 is neither permitted nor denied by domain of "
                      "neutral.good.test)", r.received_spf)

    def test_spf_permerror(self):
        r = self.expect(mail(), "permerror", ["none"], "fail", sender="a@broken.good.test")
        self.assertIn("permerror (mx.test: permanent error in processing domain of broken.good.test: "
                      "broken.good.test: a term of the record cannot be read)", r.received_spf)

    def test_null_sender(self):
        r = self.expect(mail(), "pass", ["none"], "pass", sender="", ip="192.0.2.7")
        self.assertIn("smtp.helo=helo.good.test", r.spf)

    def test_null_sender_and_helo_without_a_name(self):
        r = self.expect(mail(), "none", ["none"], "fail", sender="", helo="[192.0.2.7]")
        self.assertIn('helo="[192.0.2.7]";', r.received_spf)

    def test_helo_that_would_forge(self):
        r = self.expect(mail(), "pass", ["none"], "pass", helo='x"; spf=pass (y)')
        self.assertIn('helo="x\\"\\; spf=pass \\(y\\)";', r.received_spf)
        r = self.expect(mail(), "none", ["none"], "fail", sender="", helo='x"(\u202e\x85\u2028\U000e0041\u00e9')
        self.assertIn('helo="x\\"\\(????\u00e9";', r.received_spf)
        self.assertNotRegex(r.received_spf + r.results, "[\x00-\x1f\x7f-\x9f\u2028\u202e\U000e0041]")

    def test_no_dmarc_record(self):
        self.expect(mail("a@nodmarc.test"), "pass", ["none"], "none", sender="a@nodmarc.test")

    def test_dmarc_record_that_cannot_be_read(self):
        self.expect(mail("a@baddmarc.test"), "pass", ["none"], "permerror")

    def test_dmarc_of_a_subdomain(self):
        r = self.expect(mail("a@deep.down.good.test"), "fail", ["none"], "fail", ip="198.51.100.1")
        self.assertIn("dmarc=fail (p=quarantine) header.from=deep.down.good.test", r.dmarc)
        self.assertEqual(r.verdict, "take")

    def test_relaxed_alignment(self):
        self.expect(sign(mail("a@news.good.test")), "fail", ["pass"], "pass", ip="198.51.100.1")

    def test_strict_alignment(self):
        message = mail("a@strict.test")
        self.expect(sign(message, domain="strict.test"), "pass", ["pass"], "pass")
        self.expect(sign(message, domain="sub.strict.test"), "pass", ["pass"], "fail",
                    sender="a@sub.strict.test")

    def test_a_public_suffix_is_nobodys_parent(self):
        message = mail("a@one.github.io")
        self.expect(sign(message, domain="two.github.io"), "pass", ["pass"], "fail",
                    sender="a@two.github.io")
        self.expect(sign(message, domain="github.io"), "pass", ["pass"], "fail", sender="a@github.io")
        self.expect(message, "pass", ["none"], "pass", sender="a@one.github.io")

    def test_no_from(self):
        message = mail().replace(b"From: Ann <ann@good.test>\r\n", b"")
        self.expect(message, "pass", ["none"], "permerror")

    def test_two_from(self):
        r = self.expect(mail(extra="From: b@good.test\r\n"), "pass", ["none"], "permerror")
        self.assertIn("dmarc=permerror (p=reject, more than one From) header.from=good.test", r.dmarc)
        self.assertEqual(r.verdict, "refuse")
        self.expect(mail("a@good.test, b@good.test"), "pass", ["none"], "pass")

    # good.test asks to reject, evil.test cannot be asked for; all of these come from elsewhere.
    FORGED = [
        "CEO <ceo@good.test>, x@evil.test", "x@evil.test, CEO <ceo@good.test>", "CEO <ceo@good.test>, foo",
        "Doe, John <ceo@good.test>", "The board: x@evil.test, ceo@good.test;", "x@evil.test; ceo@good.test",
        "=?utf-8?q?ceo=40good.test?=", "=?utf-8?q?ceo=40good.test=2C?= x@evil.test", "<=?utf-8?q?ceo=40good.test?=>",
        "ceo@good.test <x@evil.test>", "<x@evil.test> <ceo@good.test>", "CEO <ceo@good.test", "ceo@good.test@evil.test",
        '"ceo@good.test"@evil.test', "ceo@good.test.", "ceo@good..test", "ceo@GOOD . Test", "ceo(a)@(b)good.test",
        "ceo\r\n @\r\n\tgood.test", "x@[192.0.2.1], ceo@good.test", "ceo@good\u3002test", "ceo\uff20good.test",
        "ceo@good.te\u200bst", "a@pct.test, ceo@good.test", "a@strict.test, ceo@good.test", "<@evil.test:ceo@good.test>",
        "a@1.test, a@2.test, a@3.test, a@4.test, a@5.test, a@6.test, a@7.test, a@8.test, ceo@good.test",
        "ceo@good.test\r\nFrom: x@evil.test", "x@evil.test\r\nfrom : ceo@good.test",
        "ceo@\\good.test", "ceo@[good.test]", "ceo@,good.test", "ceo@@good.test", "ceo@good.test|x", "ceo@good.test\u00a0x",
        "ceo@good\u2024test", "ceo@good.test\uff0c", "x@evil.test\uff0c ceo@good.test", '=?utf-8?q?"ceo=40good.test"?=',
    ]

    def test_every_from_that_is_shown_is_judged(self):
        for sender in self.FORGED:
            with self.subTest(sender):
                message = mail("@").replace(b"From: @", b"From: " + sender.encode())
                r = check(self.nsd.port, message, ip="198.51.100.1", sender="x@evil.test", helo="evil.test")
                self.assertEqual(r.verdict, "refuse", r.results)
                self.assertRegex(r.dmarc, r"^dmarc=(fail \(p=reject\)|permerror \(p=reject, .*\)) header\.from=good\.test$"
                                 if "8.test" not in sender else "^dmarc=permerror")

    def test_lines_that_are_no_fields_hide_no_from(self):
        for lines in (b"From x@evil.test Mon Nov 23 10:00:00 2026\r\n", b">From x\r\n", b">>From x\r\n", b" folded\r\n",
                      b"Subject: x\r\nno field\r\n"):
            with self.subTest(lines):
                r = check(self.nsd.port, lines + mail("ceo@good.test"), ip="198.51.100.1", sender="x@evil.test")
                self.assertEqual(r.verdict, "refuse", r.results)

    def test_a_from_that_signers_do_not_see(self):
        """Behind a stray line: to who signs the header ends there, to who reads mail leniently it goes on."""
        stray = b"no field\r\n"
        elsewhere = {"ip": "198.51.100.1"}
        signed = sign(mail("Ann <ann@good.test>"))
        self.expect(signed, "fail", ["pass"], "pass", **elsewhere)
        # What is signed has no From; and what is shown is good.test's.
        r = self.expect(b"Subject: x\r\n" + stray + signed, "fail", ["none"], "fail", **elsewhere)
        self.assertEqual(r.verdict, "refuse")
        # The signature is seen, From not: nothing that counts was signed.
        head, rest = signed.split(b"From: ", 1)
        r = self.expect(head + stray + b"From: " + rest, "fail", ["fail"], "fail", **elsewhere)
        self.assertEqual(r.verdict, "refuse")
        # A second From, before and behind: the signed one is shown, or the other one.
        evil = b"From: x@evil.test\r\n"
        for message in (evil + stray + signed, signed.replace(b"\r\n\r\n", b"\r\n" + stray + evil + b"\r\n", 1)):
            r = check(self.nsd.port, message, **elsewhere)
            self.assertIn("dmarc=permerror (p=reject, more than one From) header.from=good.test", r.dmarc)
            self.assertEqual(r.verdict, "refuse")

    def test_what_shows_no_other_domain_is_not_refused(self):
        for sender, result in (("a@good.test, b@good.test", "pass"), ("Doe, John <ann@good.test>", "pass"),
                               ("ann@good.test, foo", "pass"), ("ann@good.test., b@GOOD.test", "pass"),
                               ('"ceo@strict.test" <ann@good.test>', "pass"), ("ann@good.test (ceo@strict.test)", "pass"),
                               ("ann@good.test, x@nodmarc.test", "none"), ("x@nodmarc.test", "none"),
                               ("x@[192.0.2.1]", "permerror"), ("foo", "permerror"), ("", "permerror")):
            with self.subTest(sender):
                message = mail("@").replace(b"From: @", b"From: " + sender.encode())
                r = self.expect(message, "pass", ["none"], result)
                self.assertEqual(r.verdict, "take", r.results)

    def test_the_strictest_policy_counts(self):
        for sender, domain, policy in (("a@pct.test, a@strict.test", "pct.test", "reject"),
                                       ("a@strict.test, a@pct.test", "pct.test", "reject"),
                                       ("a@nodmarc.test, a@strict.test", "strict.test", "quarantine")):
            r = check(self.nsd.port, mail(sender), ip="198.51.100.1", sender="x@evil.test")
            self.assertIn("dmarc=fail (p=%s) header.from=%s" % (policy, domain), r.dmarc)
            self.assertEqual(r.verdict, "take")

    def test_percent_0_refuses_nobody(self):
        r = self.expect(mail("a@pct.test"), "pass", ["none"], "fail")
        self.assertEqual(r.verdict, "take")

    def test_no_message_at_all(self):
        self.expect(b"", "pass", ["none"], "permerror")

    def test_off(self):
        message = sign(mail())
        self.expect(message, "none", ["none"], "none", off=("SPF", "DKIM", "DMARC"))
        r = check(self.nsd.port, message, off=("SPF", "DKIM", "DMARC"))
        self.assertEqual(r.received_spf, "none (mx.test: SPF is turned off) receiver=mx.test; "
                         "client-ip=192.0.2.1; helo=helo.good.test;")
        self.assertEqual(r.results, "mx.test; spf=none (mx.test: SPF is turned off); "
                         "dkim=none (DKIM is turned off); dmarc=none (DMARC is turned off)")
        self.expect(message, "none", ["pass"], "pass", off=("SPF",))
        self.expect(message, "pass", ["none"], "pass", off=("DKIM",))
        self.expect(message, "pass", ["pass"], "none", off=("DMARC",))
        # DMARC cannot know that it fails where one half was not looked at.
        r = self.expect(mail(), "none", ["none"], "none", off=("SPF",), ip="198.51.100.1")
        self.assertIn("SPF or DKIM is turned off", r.dmarc)
        self.assertEqual(r.verdict, "take")


class Faults(unittest.TestCase):
    """What DNS can do wrong."""

    def server(self, *arguments, **named):
        server = nameservers.FaultyServer(*arguments, **named)
        self.addCleanup(server.close)
        return server

    def assert_temporary(self, r):
        self.assertTrue(r.received_spf.startswith("temperror ("), r.received_spf)
        self.assertTrue(r.dkim[0].startswith("dkim=temperror"), r.results)
        self.assertTrue(r.dmarc.startswith("dmarc=temperror"), r.results)
        self.assertEqual(r.verdict, "take")

    def test_silence_is_temporary_and_bounded(self):
        server = self.server()
        start = time.monotonic()
        self.assert_temporary(check(server.port, sign(mail()), limit_ms=500))
        self.assertLess(time.monotonic() - start, 60)  # a start of the tool under sanitizers is slow
        self.assertGreater(len(server.questions), 0)

    def test_nobody_listens(self):
        self.assert_temporary(check(nameservers.free_port(), sign(mail()), limit_ms=1500))

    def test_servfail(self):
        self.assert_temporary(check(self.server(lambda *q: 2).port, sign(mail())))

    def test_refused(self):
        self.assert_temporary(check(self.server(lambda *q: 5).port, sign(mail())))

    def test_broken_bytes(self):
        for answer in (b"", b"\x81", b"\x81\x80" + b"\xff" * 8, b"\x81\x80" + b"\xff" * 500):
            with self.subTest(answer):
                self.assert_temporary(
                    check(self.server(lambda *q: answer).port, sign(mail()), limit_ms=500))

    def test_a_record_that_runs_past_its_end(self):
        server = self.server(lambda name, kind: [(16, b"\xffshort")])
        self.assert_temporary(check(server.port, sign(mail())))

    def test_only_keys_fail(self):
        def answer(name, kind):
            if "_domainkey" in name:
                return 2
            text = "v=DMARC1; p=reject" if name.startswith("_dmarc") else "v=spf1 -all"
            return [(16, nameservers.txt_data(text))]
        r = check(self.server(answer).port, sign(mail()))
        self.assertTrue(r.received_spf.startswith("fail ("))
        self.assertTrue(r.dkim[0].startswith("dkim=temperror"))
        self.assertTrue(r.dmarc.startswith("dmarc=temperror (p=reject"))
        self.assertEqual(r.verdict, "take")

    def test_a_key_longer_than_libopendkim_takes(self):
        def answer(name, kind):
            return [(16, nameservers.txt_data("v=DKIM1; p=" + "A" * 1100))]
        r = check(self.server(answer).port, sign(mail()))
        self.assertTrue(r.dkim[0].startswith("dkim=permerror"), r.results)

    def test_keys_that_cost_too_much(self):
        """On both sides of the limits: a key that counts makes a fail of a signature by another one."""
        good = rsa_key_of(4096, 64)
        cases = [(good, "fail"), (rsa_key_of(4097, 17), "permerror"), (rsa_key_of(2048, 65), "permerror"),
                 (rsa_key_of(2048, 2000), "permerror"), (rsa_key_of(5500, 2), "permerror"),
                 (good.rstrip("="), "fail"), (good[:50] + " \t" + good[50:], "fail"),
                 # libopendkim skips what is no base64, so a check that stops there would be none
                 (rsa_key_of(2048, 2000).replace("A", "!A", 1), "permerror"), (good[:50] + "!" + good[50:], "permerror"),
                 (rsa_key_of(1024, 17) + "; p=" + rsa_key_of(1024, 900), "permerror"),
                 (rsa_key_of(1024, 900) + "; p=" + rsa_key_of(1024, 17), "permerror")]
        for key, expected in cases:
            def answer(name, kind):
                return [(16, nameservers.txt_data("v=DKIM1; k=rsa; p=" + key))] if "_domainkey" in name else 3
            r = check(self.server(answer).port, sign(mail()))
            self.assertTrue(r.dkim[0].startswith("dkim=" + expected), (key, r.dkim))

    def test_an_answer_is_asked_for_once(self):
        def answer(name, kind):
            return [(16, nameservers.txt_data("v=spf1 -all"))] if name == "good.test" else 3
        for ttl, memory, expected in ((60, True, 1), (0, True, 4), (60, False, 4)):
            with self.subTest(ttl=ttl, memory=memory):
                server = self.server(answer, ttl=ttl)
                with tempfile.NamedTemporaryFile() as file:
                    file.write(mail())
                    file.flush()
                    subprocess.run([TOOL, str(server.port), "20000", "192.0.2.1", "helo.test",
                                    "ann@good.test", file.name, "3"], check=True, timeout=90,
                                   stdout=subprocess.DEVNULL,
                                   env=dict(os.environ, **({} if memory else {"NO_CACHE": "1"})))
                self.assertEqual(server.questions.count(("good.test", 16)), expected)
                # "There is none" is kept too, for a minute where no SOA says how long.
                self.assertEqual(server.questions.count(("_dmarc.good.test", 16)),
                                 1 if memory else 4)


if __name__ == "__main__":
    program = unittest.main(exit=False)
    for _, why in program.result.skipped:
        print("skipped: " + why)
    sys.exit(not program.result.wasSuccessful())
