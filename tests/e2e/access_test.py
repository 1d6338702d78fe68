"""Who may talk: lists and limits by address, and what a reload makes of them."""

import socket
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


if __name__ == "__main__":
    unittest.main()
