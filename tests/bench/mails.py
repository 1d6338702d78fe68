"""mails.py - the messages that scripts/bench sends: the same bytes each time. None has a Message-ID; the load generator adds it."""

import email.message
import email.policy
import os
import random
import textwrap

WORDS = ("Rechnung Bestellung Lieferung façade crème brûlée tomorrow window garden letter parcel number customer "
         "warehouse thanks regards größer Zürich naïve please reply before payment amount total").split()
# By name: bytes of the text, of the HTML, and of the attached PDF.
SIZES = {"5k": (1500, 1900, 0), "100k": (1500, 1900, 72000), "10m": (1500, 1900, 7650000)}


def prose(chance, size):
    text = ""
    while len(text) < size:
        text += chance.choice(WORDS) + " "
    return textwrap.fill(text[:size], 72) + "\n"


def make(name):
    text, html, attachment = SIZES[name]
    chance = random.Random(name)
    mail = email.message.EmailMessage(policy=email.policy.SMTP)
    mail["From"] = "Zoë Müller <zoe@bench.example>"
    mail["To"] = "Hook <hook@bench.example>"
    mail["Subject"] = "Ihre Bestellung Nr. 4711 — größere Lieferung nach Zürich"
    mail["Date"] = "Mon, 23 Nov 2026 10:00:00 +0100"
    mail["Reply-To"] = "Kundendienst für Übersee <service@bench.example>"
    mail["X-Mailer"] = "bench"
    mail.set_content(prose(chance, text), cte="quoted-printable")
    paragraphs = prose(chance, html).replace("\n", '</p>\n<p style="margin:0">')
    mail.add_alternative("<html><body><p>%s</p></body></html>\n" % paragraphs, subtype="html", cte="quoted-printable")
    if attachment:
        mail.add_attachment(b"%PDF-1.4\n" + chance.randbytes(attachment), maintype="application", subtype="pdf",
                            filename="rechnung.pdf")
    return mail.as_bytes()


def write_all(folder):
    """Writes NAME.eml of each size that is not there yet."""
    os.makedirs(folder, exist_ok=True)
    for name in SIZES:
        path = os.path.join(folder, name + ".eml")
        if not os.path.exists(path):
            with open(path, "wb") as file:
                file.write(make(name))
