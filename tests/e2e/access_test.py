"""Who may talk: lists and limits by address, and what a reload makes of them."""

import os
import resource
import socket
import subprocess
import tempfile
import threading
import unittest

import harness


def greeting(port):
    """A new connection, and the first line that it gets."""
    connection = socket.create_connection(("127.0.0.1", port), harness.PATIENCE)
    return connection, connection.makefile("rb").readline().decode()


class AccessTest(harness.TestCase):
    def first_line(self, server):
        connection, line = greeting(server.port)
        self.addCleanup(connection.close)
        return line

    def test_denied_until_a_reload_allows(self):
        receiver = self.receiver()
        server = self.server(self.to(receiver), 'access = { deny = { "127.0.0.0/8" } }\n')
        self.assertEqual(self.first_line(server), "554 5.7.1 mx.test takes no mail from your address\r\n")
        server.wait_logged("turned-away", "client=127.0.0.1")
        with open(server.config) as file:
            text = file.read()
        server.write("mxhook.lua", text.replace("access = { deny", "access = { allow"))
        server.reload()
        server.send(harness.mail())
        self.assertEqual(len(receiver.wait_for(1)), 1)

    def test_connections_of_an_address(self):
        server = self.server(self.to(self.receiver()),
                             "access = { unlimited = {}, connections_per_address = 3 }\n")
        lines = [self.first_line(server) for _ in range(4)]
        self.assertEqual([line[:3] for line in lines], ["220", "220", "220", "421"])
        self.assertIn("from your address", lines[3])

    def test_messages_of_an_address(self):
        receiver = self.receiver()
        server = self.server(self.to(receiver),
                             "access = { unlimited = {}, messages_per_minute = 2 }\n")
        for _ in range(2):
            server.send(harness.mail())
        with server.smtp() as client:
            client.ehlo()
            self.assertEqual(client.mail("a@client.test")[0], 451)
        self.assertEqual(len(receiver.wait_for(2)), 2)

    def test_too_much_is_waiting(self):
        """What is under way is bounded: while the only worker is busy, MAIL is deferred."""
        receiver = self.receiver()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        go_on = os.path.join(folder.name, "go-on")
        slow = "return function() repeat local file = io.open('%s') until file return '%s' end" % (go_on, receiver.url)
        server = self.server({"10-slow.lua": slow}, """
            smtp = { max_waiting = 2 }
            rules = { workers = 1, time_limit = "60s", unsafe = true }
            """)
        senders = [threading.Thread(target=server.send, args=(harness.mail(),)) for _ in range(2)]
        with server.smtp() as client:
            client.ehlo()
            for sender in senders:
                sender.start()
            harness.wait_until(lambda: len(server.logged("received")) == 2, "two messages")
            self.assertEqual(client.mail("a@client.test"), (451, b"4.3.2 Too busy, try again later"))
            open(go_on, "w").close()
            for sender in senders:
                sender.join()
            self.assertEqual(client.mail("a@client.test")[0], 250)
        self.assertEqual(len(receiver.wait_for(2)), 2)

    def test_file_descriptors(self):
        """The limit is raised as far as the configuration needs, or a warning says why not."""
        for hard, connections, warned in ((4096, 1000, False), (1100, 1000, True)):
            server = self.server(self.to(self.receiver()), "smtp = { max_connections = %d }\n" % connections,
                                 start=False)
            unprivileged = [] if os.geteuid() else ["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"]
            with open(server.log_path, "w") as log:
                server.log_start = 0
                server.process = subprocess.Popen(
                    [*unprivileged, harness.MXHOOK, "run", "--config", server.config], stderr=log,
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard)))
            harness.wait_until(lambda: server.logged("started"), "the start")
            self.assertEqual(bool(server.logged("file-descriptors", "limit=1100", "needed=2456")), warned)
            soft = int(self.soft_limit(server.process.pid))
            self.assertEqual(soft, 1100 if warned else 2456)

    @staticmethod
    def soft_limit(pid):
        with open("/proc/%d/limits" % pid) as file:
            return next(line.split()[3] for line in file if line.startswith("Max open files"))


if __name__ == "__main__":
    unittest.main()
