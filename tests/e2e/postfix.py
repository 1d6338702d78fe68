"""postfix.py - Debian's Postfix with a configuration and a queue of its own, on loopback. Root starts it."""

import os
import shutil
import subprocess
import tempfile
import unittest

import harness

MAIN = """
    compatibility_level = 3.6
    queue_directory = {folder}/queue
    data_directory = {folder}/data
    multi_instance_name = postfix-mxhook
    mydestination =
    inet_interfaces = loopback-only
    inet_protocols = ipv4
    smtputf8_enable = yes
    smtp_host_lookup = native
    maillog_file = {folder}/log
    maillog_file_prefixes = {folder}
    """
MASTER = """
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
showq unix n - n - - showq
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


def needed(test):
    there = shutil.which("postfix", path=os.environ.get("PATH", "") + ":/usr/sbin")
    test = unittest.skipUnless(there, "postfix is not installed")(test)
    return unittest.skipUnless(os.geteuid() == 0, "Postfix has to be started by root")(test)


class Postfix:
    """`main`: lines of main.cf; port: where it listens, or None for a client only."""

    def __init__(self, main, port=None):
        self.folder = tempfile.mkdtemp(prefix="mxhook-postfix-")
        os.chmod(self.folder, 0o755)  # Postfix has several users
        self.etc = os.path.join(self.folder, "etc")
        for name in ("etc", "queue", "data"):
            os.makedirs(os.path.join(self.folder, name))
        shutil.chown(os.path.join(self.folder, "data"), "postfix")
        self.write("main.cf", "\n".join(line.strip() for line in
                                        (MAIN.format(folder=self.folder) + main).splitlines()) + "\n")
        listener = "127.0.0.1:%d inet n - n - - smtpd\n" % port if port else ""
        self.write("master.cf", MASTER + listener)
        self.run("postfix", "-c", self.etc, "start")

    def write(self, name, text):
        with open(os.path.join(self.etc, name), "w") as file:
            file.write(text)

    def run(self, program, *arguments, **options):
        done = subprocess.run(["/usr/sbin/" + program, *arguments], capture_output=True,
                              timeout=harness.PATIENCE, **options)
        if done.returncode != 0:
            raise AssertionError((done.stdout + done.stderr).decode()[-2000:] + self.log()[-2000:])

    def log(self):
        try:
            with open(os.path.join(self.folder, "log")) as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def close(self):
        subprocess.run(["/usr/sbin/postfix", "-c", self.etc, "stop"], capture_output=True,
                       timeout=harness.PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)
