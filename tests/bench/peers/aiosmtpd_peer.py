"""A peer of mxhook for scripts/bench: aiosmtpd, the email package and aiohttp. aiosmtpd_peer.py PORT URL

Parses, posts the payload, and answers 250 once the web server has taken it. Nothing is stored.
"""

import asyncio
import base64
import email
import email.policy
import json
import sys

import aiohttp
from aiosmtpd.smtp import SMTP


def people(header):
    return [{"name": a.display_name or None, "email": a.addr_spec} for a in header.addresses] if header else []


def part_of(part):
    return {"type": part.get_content_type(), "name": part.get_filename(),
            "content": base64.b64encode(part.get_payload(decode=True)).decode(), "encoding": "binary"}


def payload_of(envelope):
    mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
    bodies = {kind: mail.get_body((kind,)) for kind in ("plain", "html")}
    texts = {kind: body.get_content() if body else None for kind, body in bodies.items()}
    headers = {name: str(value) for name, value in mail.items()}
    headers["Delivered-To"] = envelope.rcpt_tos[0]
    date = mail["date"].datetime if mail["date"] else None
    return json.dumps({
        "headers": headers,
        "to": people(mail["to"]),
        "from": (people(mail["from"]) or [{"name": None, "email": None}])[0],
        "subject": str(mail["subject"] or ""),
        "message-id": mail["message-id"],
        "date": str(mail["date"]) if mail["date"] else None,
        "return-path": {"name": None, "email": envelope.mail_from},
        "timestamp": int(date.timestamp()) if date else None,
        "text": texts["plain"],
        "html": texts["html"],
        "inlines": [],
        "attachments": [part_of(part) for part in mail.iter_attachments()],
    }).encode()


class Handler:
    def __init__(self, session, url):
        self.session, self.url = session, url

    async def handle_DATA(self, server, session, envelope):
        async with self.session.post(self.url, data=payload_of(envelope),
                                     headers={"content-type": "application/json"}) as response:
            await response.read()
            return "250 Ok" if response.status == 200 else "451 HTTP %d" % response.status


async def main(port, url):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=50)) as session:
        handler = Handler(session, url)
        server = await asyncio.get_running_loop().create_server(
            lambda: SMTP(handler, hostname="mx.test", data_size_limit=64 << 20), "127.0.0.1", port)
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
