"""Real clients: each sends the same set of messages, and every payload must be right.

A client whose program is not installed is skipped, and says so. Postfix runs as a sending MTA
(relayhost) with a configuration and a queue of its own; it has to be started by root.
"""

import base64
import email.message
import email.policy
import os
import re
import shutil
import smtplib
import subprocess
import tempfile
import unittest

import harness
import postfix

SENDER = "sender@client.test"
RECIPIENT = "hook@example.com"
MANY = ["user%02d@example.com" % number for number in range(60)]
INTERNATIONAL = "grüße@example.com"
LARGE = bytes(range(256)) * (12 * 1024)  # 3 MiB
TEXT = "Grüße, 世界.\n.\n..two dots\n\nFrom here on\n"


def needs(program):
    return unittest.skipUnless(shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin"),
                               program + " is not installed")


def message(subject, attachment=None, cte="8bit"):
    """RFC 5322 bytes, 8-bit, CRLF."""
    made = email.message.EmailMessage(email.policy.SMTP.clone(cte_type="8bit"))
    made["From"], made["To"], made["Subject"] = SENDER, RECIPIENT, subject
    made["Date"], made["Message-ID"] = "Mon, 23 Nov 2026 10:00:00 +0100", "<one@client.test>"
    made.set_content(TEXT, cte=cte)
    if attachment:
        made.add_attachment(attachment, "application", "octet-stream", filename="large.bin")
    return made.as_bytes()


class ClientTests:
    """What every client must do. A client says how it sends the message in a file."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="mxhook-client-")
        os.chmod(cls.folder, 0o755)  # Postfix has several users
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)

    LISTEN = ""  # lines of the configuration

    def setUp(self):
        self.web = self.receiver()
        self.mx = self.server(self.to(self.web), "smtp = { max_recipients = 100 }\n" +
                              self.LISTEN.format(folder=self.folder))

    def deliver(self, data, recipients, sender=SENDER, **options):
        path = os.path.join(self.folder, "mail.eml")
        with open(path, "wb") as file:
            file.write(data)
        self.send_file(path, recipients, sender, **options)
        posts = self.web.wait_for(len(recipients))
        self.assertEqual(len(posts), len(recipients))
        self.assertEqual(sorted(post.json["headers"]["Delivered-To"] for post in posts),
                         sorted(recipients))
        return [post.json for post in posts]

    def run_client(self, *command, **options):
        done = subprocess.run(command, capture_output=True, timeout=harness.PATIENCE, **options)
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])

    def check(self, payload, subject):
        self.assertEqual(payload["subject"], subject)
        self.assertEqual(payload["from"]["email"], SENDER)
        self.assertEqual(payload["message-id"], "one@client.test")
        self.assertEqual(payload["text"].rstrip("\n"), TEXT.rstrip("\n"))

    def test_eight_bit(self):
        payload, = self.deliver(message("Größe 8"), [RECIPIENT])
        self.check(payload, "Größe 8")
        self.assertEqual(payload["return-path"]["email"], SENDER)

    def test_large(self):
        payload, = self.deliver(message("large", LARGE), [RECIPIENT])
        self.check(payload, "large")
        attachment, = payload["attachments"]
        self.assertEqual(attachment["name"], "large.bin")
        self.assertEqual(base64.b64decode(attachment["content"]), LARGE)

    def test_many_recipients(self):
        for payload in self.deliver(message("many"), MANY):
            self.check(payload, "many")


class SmtputfTests:
    """For clients that can ask for SMTPUTF8 (RFC 6531)."""

    def test_international_address(self):
        payload, = self.deliver(message("international"), [INTERNATIONAL], "größe@client.test",
                                utf8=True)
        self.check(payload, "international")
        self.assertEqual(payload["return-path"]["email"], "größe@client.test")


class SmtplibTest(ClientTests, SmtputfTests, harness.TestCase):
    def send_file(self, path, recipients, sender, utf8=False):
        with open(path, "rb") as file, smtplib.SMTP("127.0.0.1", self.mx.port) as client:
            client.sendmail(sender, recipients, file.read(), ["SMTPUTF8", "BODY=8BITMIME"] if utf8 else [])


@needs("curl")
class CurlTest(ClientTests, SmtputfTests, harness.TestCase):
    def send_file(self, path, recipients, sender, utf8=False):
        arguments = [part for each in recipients for part in ("--mail-rcpt", each)]
        self.run_client("curl", "-sS", "smtp://127.0.0.1:%d/client.test" % self.mx.port, "--mail-from",
                        sender, *arguments, "--upload-file", path, env=dict(os.environ, LC_ALL="C.UTF-8"))


@needs("swaks")
class SwaksTest(ClientTests, harness.TestCase):
    def send_file(self, path, recipients, sender):
        self.run_client("swaks", "--server", "127.0.0.1", "--port", str(self.mx.port), "--from", sender,
                        "--to", ",".join(recipients), "--data", "@" + path, "--suppress-data")


@needs("msmtp")
class MsmtpTest(ClientTests, harness.TestCase):
    def send_file(self, path, recipients, sender):
        with open(path, "rb") as file:
            self.run_client("msmtp", "--file=/dev/null", "--host=127.0.0.1", "--port=%d" % self.mx.port,
                            "--from=" + sender, "--", *recipients, stdin=file)


@needs("npm")
class NodemailerTest(ClientTests, SmtputfTests, harness.TestCase):
    SCRIPT = """
        const [port, path, from, ...to] = process.argv.slice(2)
        require('nodemailer').createTransport({ host: '127.0.0.1', port: +port, ignoreTLS: true })
          .sendMail({ envelope: { from, to }, raw: { path } })
          .catch(error => { console.error(error); process.exit(1) })
        """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        done = subprocess.run(["npm", "install", "--silent", "--fetch-retries=0", "--fetch-timeout=20000",
                               "--prefix", cls.folder, "nodemailer"], capture_output=True)
        if done.returncode != 0:
            raise unittest.SkipTest("npm cannot install nodemailer")
        with open(os.path.join(cls.folder, "send.js"), "w") as file:
            file.write(cls.SCRIPT)

    def send_file(self, path, recipients, sender, utf8=False):
        self.run_client("node", os.path.join(self.folder, "send.js"), str(self.mx.port), path, sender,
                        *recipients)


@postfix.needed
class PostfixTest(ClientTests, SmtputfTests, harness.TestCase):
    ROUTE = "relayhost = [127.0.0.1]:{port}"

    def setUp(self):
        super().setUp()
        self.postfix = postfix.Postfix("""
            myhostname = postfix.client.test
            %s
            """ % self.ROUTE.format(folder=self.folder, port=self.mx.port))
        self.addCleanup(self.postfix.close)

    def check(self, payload, subject):
        super().check(payload, subject)
        self.assertIn("by postfix.client.test (Postfix", payload["headers"]["Received"][0])

    def send_file(self, path, recipients, sender, utf8=False):
        with open(path, "rb") as file:
            text = file.read().replace(b"\r\n", b"\n")  # sendmail(1) takes the system's lines
        self.run_client("/usr/sbin/sendmail", "-C", self.postfix.etc, "-i", "-f", sender, *recipients, input=text)


class PostfixLmtpTest(PostfixTest):
    """By LMTP, through a Unix-domain socket: each recipient gets its own verdict."""
    LISTEN = """listen = { "127.0.0.1:0", { address = "unix:{folder}/lmtp", protocol = "lmtp" } }\n""" \
        .replace("{ ", "{{ ").replace(" }", " }}")
    ROUTE = "default_transport = lmtp:unix:{folder}/lmtp"

    def test_verdicts_are_each_recipients_own(self):
        self.mx.write_rule("05-verdicts.lua", """return function(msg)
            local name = msg.envelope.recipient:match("^%a+")
            if name == "rejected" then return route.reject("Not for me") end
            if name == "deferred" then return route.defer("Later") end
        end""")
        self.mx.reload()
        path = os.path.join(self.folder, "verdicts.eml")
        with open(path, "wb") as file:
            file.write(message("verdicts"))
        self.send_file(path, ["rejected@example.com", RECIPIENT, "deferred@example.com"], SENDER)

        def statuses():
            found = set(re.findall(r"/lmtp\[.* to=<(\w+)@example.com>.* dsn=([\d.]+), status=(\w+)",
                                   self.postfix.log()))
            return found if len(found) == 3 else None

        self.assertEqual(harness.wait_until(statuses, "Postfix's log"),
                         {("rejected", "5.7.1", "bounced"), ("hook", "2.0.0", "sent"),
                          ("deferred", "4.3.0", "deferred")})
        self.assertEqual([post.json["headers"]["Delivered-To"] for post in self.web.wait_for(1)], [RECIPIENT])


class EximTest(ClientTests, harness.TestCase):
    """Debian's packages of Exim and Postfix exclude each other, so Exim is only unpacked. It insists on a user of its
    own: it runs in a mount namespace whose /etc/passwd has one."""
    CONFIG = """
        exim_path = {folder}/exim/usr/sbin/exim4
        spool_directory = {folder}/spool
        log_file_path = {folder}/%slog
        primary_hostname = exim.client.test
        local_interfaces = 127.0.0.1
        keep_environment =
        begin routers
        all:
          driver = manualroute
          route_list = * 127.0.0.1 byname
          self = send
          transport = mxhook
        begin transports
        mxhook:
          driver = smtp
          port = {port}
        begin retry
        * * F,1m,1s
        """
    INSIDE = "mount --bind passwd /etc/passwd && mount --bind group /etc/group && exec \"$@\""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if os.geteuid() != 0:
            raise unittest.SkipTest("Exim has to be started by root")
        for command in (["apt-get", "download", "-qq", "exim4-daemon-light"],
                        ["sh", "-c", "dpkg -x exim4-daemon-light_*.deb exim"]):
            if subprocess.run(command, cwd=cls.folder, capture_output=True, timeout=120).returncode != 0:
                raise unittest.SkipTest("cannot download exim4-daemon-light")
        for name, line in (("passwd", "Debian-exim:x:8:8::/:/usr/sbin/nologin"), ("group", "Debian-exim:x:8:")):
            with open("/etc/" + name) as source, open(os.path.join(cls.folder, name), "w") as copy:
                copy.write(source.read() + line + "\n")
        os.makedirs(os.path.join(cls.folder, "spool"))
        for name in ("", "spool"):
            shutil.chown(os.path.join(cls.folder, name), 8, 8)
        done = cls.exim("-bV", "-C", "/dev/null")
        if done.returncode != 0:
            raise unittest.SkipTest("Exim does not run here: %s" % done.stderr.decode().strip())

    @classmethod
    def exim(cls, *arguments, **options):
        return subprocess.run(["unshare", "-m", "sh", "-c", cls.INSIDE, "sh", "exim/usr/sbin/exim4", *arguments],
                              cwd=cls.folder, capture_output=True, timeout=harness.PATIENCE, **options)

    def log(self):
        with open(os.path.join(self.folder, "mainlog"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def send_file(self, path, recipients, sender):
        config = os.path.join(self.folder, "exim.conf")
        with open(config, "w") as file:
            file.write("\n".join(line.strip() for line in
                                 self.CONFIG.format(folder=self.folder, port=self.mx.port).splitlines()))
        with open(path, "rb") as file:
            text = file.read().replace(b"\r\n", b"\n")
        done = self.exim("-C", config, "-odf", "-oi", "-f", sender, "--", *recipients, input=text)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_large(self):
        super().test_large()
        self.assertRegex(self.log(), r"=> hook@example\.com .* K ")  # by BDAT, as Exim logs it


if __name__ == "__main__":
    unittest.main()
