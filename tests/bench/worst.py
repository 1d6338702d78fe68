#!/usr/bin/env python3
"""worst.py MXHOOK [MXHOOK ...]: CPU seconds for each MB of the worst messages that we know, by `mxhook payload`.

One line a case, a column a binary. Fails where the last binary takes more than LIMIT for any. Run by hand:
figures of a machine are no test."""

import base64
import itertools
import os
import random
import resource
import subprocess
import sys
import tempfile

MB = 1 << 20
LIMIT = 0.5  # CPU seconds for a MB
HEADER = 250 << 10  # bytes of header that are within the server's limit


def header(name, piece, size=HEADER):
    piece = piece if isinstance(piece, bytes) else piece.encode()
    folded, used = [], 0
    while used < size:
        folded.append(piece)
        used += len(piece) + 3
    return name.encode() + b": " + b"\r\n ".join(folded) + b"\r\n\r\nx\r\n"


def repeat(piece, size=HEADER, name="Subject"):
    return name.encode() + b": " + piece * (size // len(piece)) + b"\r\n\r\nx\r\n"


def body(kind, encoding, content):
    return (b"Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n" % (kind, encoding)) + content


def parts(lead, piece, size=MB):
    return lead + piece * (size // len(piece))


def cases():
    mixed = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    random.seed(1)
    noise = bytes(random.randrange(256) for _ in range(MB))
    yield "charset for each word, =?437?q?a?==?500?q?a?=", repeat(b"=?437?q?a?==?500?q?a?=")
    yield "the same, iconv's own", repeat(b"=?utf-7?q?a?==?euc-tw?q?a?=")
    yield "the same, stateful", repeat(b"=?iso-2022-kr?q?a?==?iso-2022-cn-ext?q?a?=")
    yield "the same, in From", repeat(b"=?437?q?a?==?500?q?a?=", name="From")
    yield "the same, in 10,000 file names", parts(
        mixed, b"--b\r\nContent-Type: a/b; name=\"=?utf-7?q?a?==?euc-tw?q?a?=\"\r\n\r\n", MB)
    yield "unknown charsets", repeat(b"=?no-%d?q?a?=")
    yield "=? without an end", repeat(b"=?utf-8?q?")
    yield "?= without a beginning", repeat(b"?=")
    yield "From: <<<<", repeat(b"<", name="From")
    yield "From: <\"<\"", repeat(b"<\"", name="From")
    yield "From: ((((", repeat(b"(", name="From")
    yield "From: a@b a@b", repeat(b"a@b ", name="From")
    yield "From: a,a,a", repeat(b"a,", name="From")
    yield "From: g: g: g:", repeat(b"g: ", name="From")
    yield "From: \"\"\"\"", repeat(b"\"\\", name="From")
    yield "1,000 fields of one name", b"X-A: b\r\n" * 1000 + b"\r\n"
    yield "parameters", b"Content-Type: a/b" + b"; name*1=a" * 20000 + b"\r\n\r\nx"
    yield "comments in parameters", b"Content-Type: a/b; " + b"(" * 60000 + b"\r\n\r\nx"
    yield "stray lines", b"A: b\r\n" + b"stray\r\nB: c\r\n" * 400 + b"\r\nx"
    yield "100 levels", b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i)
                                 for i in range(10000)) + b"\r\nx"
    yield "levels whose boundary is declared wrong", b"".join(
        b"Content-Type: multipart/mixed; boundary=\"b%d-\"\r\n\r\n--b%d\r\n" % (i, i) for i in range(100)) + \
        b"\r\n" + b"x\r\n" * (MB // 3)
    yield "two Content-Type, no boundary comes", parts(
        mixed, b"--b\r\nContent-Type: multipart/a; boundary=c\r\nContent-Type: multipart/b; boundary=d\r\n\r\n--e\r\n")
    yield "empty parts", parts(mixed, b"--b\n\n")
    yield "parts of one field", parts(mixed, b"--b\na:\n\n")
    yield "lines of one byte", parts(mixed + b"--b\r\n\r\n", b"-\n")
    yield "almost boundaries", parts(mixed + b"--b\r\n\r\n", b"--\n")
    yield "0x01", body(b"text/plain", b"8bit", b"\1" * MB)
    yield "noise as text", body(b"text/plain", b"8bit", noise)
    yield "noise as GB18030", body(b"text/plain; charset=gb18030", b"8bit", noise)
    yield "noise as ISO-2022-JP", body(b"text/plain; charset=iso-2022-jp", b"8bit", noise)
    yield "noise as ISO-2022-KR", body(b"text/plain; charset=iso-2022-kr", b"8bit", noise)
    yield "noise as UTF-7", body(b"text/plain; charset=utf-7", b"8bit", noise)
    yield "noise as base64", body(b"text/plain; charset=utf-8", b"base64", base64.encodebytes(noise))
    yield "= = = quoted-printable", body(b"text/plain", b"quoted-printable", b"= =\t" * (MB // 4))
    yield "uuencode of short lines", body(b"a/b", b"x-uuencode", b"begin 644 a\n" + b"M\n" * (MB // 2))
    yield "cid: in HTML", parts(b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n",
                                b"cid:a ") + b"\r\n--b\r\nContent-ID: <a>\r\nContent-Type: a/b\r\nContent-Disposition: attachment\r\n\r\nx\r\n--b--"



def more_cases():
    """Of structures, addresses, replies and HTML."""
    plain, html = b"text/plain", b"text/html"
    mixed = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    yield "folds of one byte", header("Subject", "a")
    yield "folds in From", header("From", "a@b,")
    yield "encoded words of one byte, folded", header("Subject", "=?utf-8?b?QQ==?=")
    yield "broken base64 in words", repeat(b"=?utf-8?b?=Q=?= ")
    yield "comments within comments in From", repeat(b"(a(b)c) a(d)@(e)b(f), ", name="From")
    yield "a comment that 100,000 open", repeat(b"a(", name="To")
    yield "backslashes in quotes in To", b"To: \"" + b"\\\"" * (HEADER // 2) + b"\" <a@b>\r\n\r\nx\r\n"
    yield "groups that do not end", repeat(b"g:a@b,", name="To")
    yield "source routes", repeat(b"<@a,@b:c@d>,", name="To")
    yield "domain literals", repeat(b"a@[1.2.3.4],", name="Cc")
    yield "References", repeat(b"<a@b> ", name="References")
    yield "References without an end", repeat(b"<a", name="References")
    yield "Received", b"".join(b"Received: from a by b;" + b" (x" * 80 + b"\r\n" for _ in range(900)) + b"\r\nx"
    yield "1,000 Content-Type", b"Content-Type: a/b; name=c\r\n" * 999 + b"\r\nx"
    yield "Authentication-Results with comments", b"Authentication-Results: (" * 900 + b"\r\n\r\nx"
    yield "Authentication-Results of one long comment", repeat(b"(a", name="Authentication-Results")
    yield "RFC 2231, each octet encoded", b"Content-Type: a/b; name*=utf-8''" + b"%41" * 60000 + b"\r\n\r\nx"
    yield "20,000 attachments of one name", parts(mixed, b"--b\r\nContent-Disposition: attachment; filename=a\r\n\r\nx\r\n", 2 * MB)
    yield "text parts", parts(mixed, b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n")
    yield "HTML parts", parts(mixed, b"--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n")
    yield "messages in messages", b"Content-Type: message/rfc822\r\n\r\n" * (MB // 32) + b"x"
    yield "messages beside each other", parts(mixed, b"--b\r\nContent-Type: message/rfc822\r\n\r\na: b\r\n\r\nx\r\n")
    yield "boundaries that begin alike", parts(
        b"Content-Type: multipart/mixed; boundary=" + b"b" * 69 + b"\r\n\r\n", b"--" + b"b" * 68 + b"\r\n")
    yield "100 boundaries, each line may be any", b"".join(
        b"Content-Type: multipart/mixed; boundary=\"" + b"b" * (i + 1) + b"\"\r\n\r\n--" + b"b" * (i + 1) + b"\r\n"
        for i in range(69)) + (b"--" + b"b" * 70 + b"\r\n") * (MB // 74)
    yield "parts and their cid: in HTML", parts(
        b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
        + b"".join(b"<img src=cid:%d>" % i for i in range(20000)) + b"\r\n",
        b"--b\r\nContent-ID: <a>\r\nContent-Disposition: inline\r\nContent-Type: image/png\r\n\r\nx\r\n")
    yield "noise as UTF-16", body(plain + b"; charset=utf-16", b"8bit", random.randbytes(MB))
    yield "noise as Big5-HKSCS", body(plain + b"; charset=big5-hkscs", b"8bit", random.randbytes(MB))
    yield "noise as EUC-TW", body(plain + b"; charset=euc-tw", b"8bit", random.randbytes(MB))
    yield "noise as ISO-2022-CN-EXT", body(plain + b"; charset=iso-2022-cn-ext", b"8bit", random.randbytes(MB))
    yield "noise as HZ", body(plain + b"; charset=hz", b"8bit", random.randbytes(MB))
    yield "escapes of ISO-2022-JP", body(plain + b"; charset=iso-2022-jp", b"7bit", b"\x1b$B\x1b(B" * (MB // 6))
    yield "base64 that ends at each group", body(plain, b"base64", b"QQ==" * (MB // 4))
    yield "quoted-printable, each octet", body(plain, b"quoted-printable", b"=C3=A9" * (MB // 6))
    yield "quoted-printable soft breaks", body(plain, b"quoted-printable", b"=\r\n" * (MB // 3))
    yield "quoted-printable blanks", body(plain, b"quoted-printable", b" " * MB)
    yield "uuencode, begun again and again", body(b"a/b", b"x-uuencode", b"begin 644 a\n" * (MB // 12))
    for name, piece in (("> > >", b"> " * 40 + b"\n"), (">", b">"), ("On ... wrote:", b"On Mon, 1 Jan 2026 at 1:00, a <a@b.c> wrote:\n"),
                        ("On ... without an end", b"On Mon, 1 Jan 2026 a b c d e f g\n"), ("-- ", b"-- \n"), ("___", b"_" * 40 + b"\n"),
                        ("From: Sent: To:", b"From: a\nSent: b\nTo: c\nSubject: d\n"), ("-----Original Message-----", b"-----Original Message-----\n"),
                        ("blank lines", b"\n"), ("blanks", b" " * 60 + b"\n"), ("one line of blanks", b" \t")):
        yield "replies: " + name, b"In-Reply-To: <a@b>\r\n" + body(plain, b"8bit", piece * (MB // len(piece)))
    for piece in (b"<", b"<!--", b"<div>", b"<div class=gmail_quote>", b"<blockquote>", b"&#1;", b"&", b"&amp", b"<a href=", b"<a b=\"", b"</p>",
                  b"<script>", b"<style>", b"<br>", b"<table><td>", b"<![CDATA[", b"<p style=display:none>", b"<font>", b"<b><i></b>", b"\xff<p>"):
        yield "HTML: " + piece.decode("latin-1"), b"In-Reply-To: <a@b>\r\n" + body(html, b"8bit", piece * (MB // len(piece)))


def cost(binary, path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([binary, "payload", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 2
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "mail.eml")
        with open(path, "wb") as file:
            file.write(b"\r\n")
        start = [min(cost(binary, path) for _ in range(3)) for binary in sys.argv[1:]]  # of the program itself
        for name, mail in itertools.chain(cases(), more_cases()):
            with open(path, "wb") as file:
                file.write(mail)
            figures = [max(cost(binary, path) - start[i], 0) / (len(mail) / MB) for i, binary in enumerate(sys.argv[1:])]
            if len(mail) > 100000:
                worst = max(worst, figures[-1])
            print("%-50s %7d bytes  %s" % (name, len(mail), "  ".join("%8.3f" % figure for figure in figures)), flush=True)
    print("worst of those above 100,000 bytes: %.3f CPU s/MB" % worst)
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
