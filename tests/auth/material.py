"""material.py - keys, signed messages and zones for the tests of authentication."""

import base64
import re
import subprocess

import dkim
import nacl.signing
import nameservers


def rsa_key(bits):
    """(private key in PEM, the p= of its DNS record)"""
    pem = subprocess.run(["openssl", "genrsa", "-traditional", str(bits)], capture_output=True,
                         check=True).stdout
    der = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=pem,
                         capture_output=True, check=True).stdout
    return pem, base64.b64encode(der).decode()


def rsa_key_of(modulus_bits, exponent_bits):
    """A record's p= of a key with such numbers; nobody has its private half."""
    def number(value):
        data = value.to_bytes(value.bit_length() // 8 + 1, "big")
        return tagged(2, data)

    def tagged(tag, data):
        size = len(data)
        length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
        return bytes([tag]) + length + data

    key = tagged(0x30, number((1 << modulus_bits - 1) + 0x10001) + number((1 << exponent_bits - 1) + 1))
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    return base64.b64encode(tagged(0x30, algorithm + tagged(3, b"\0" + key))).decode()


def ed25519_key():
    key = nacl.signing.SigningKey.generate()
    return base64.b64encode(bytes(key)), base64.b64encode(bytes(key.verify_key)).decode()


RSA, ED25519, SMALL = rsa_key(2048), ed25519_key(), rsa_key(768)


def mail(sender="Ann <ann@good.test>", body="Good morning.\r\n", extra=""):
    return ("From: %s\r\nTo: hook@example.com\r\nSubject: A test\r\n"
            "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@good.test>\r\n%s\r\n%s"
            % (sender, extra, body)).encode()


def sign(message, domain="good.test", selector="rsa", key=RSA, canon="relaxed/relaxed",
         algorithm=None, **options):
    algorithm = algorithm or ("ed25519-sha256" if key is ED25519 else "rsa-sha256")
    signature = dkim.sign(message, selector.encode(), domain.encode(), key[0],
                          canonicalize=tuple(c.encode() for c in canon.split("/")),
                          signature_algorithm=algorithm.encode(), **options)
    return signature + message


def unfolded(header):
    return re.sub(rb"\r\n[ \t]+", b" ", header)


def zones():
    """good.test signs and says who may send; the others lack something."""
    record = nameservers.txt
    return {
        "good.test": [
            ("@", record("v=spf1 ip4:127.0.0.1 ip4:192.0.2.0/24 -all")),
            ("helo", record("v=spf1 a -all")), ("helo", "A 192.0.2.7"),
            ("soft", record("v=spf1 ~all")), ("neutral", record("v=spf1 ?all")),
            ("broken", record("v=spf1 ip4:192.0.2.300 -all")),
            ("nothing", record("some text")),
            ("_dmarc", record("v=DMARC1; p=reject; sp=quarantine; rua=mailto:r@good.test; rf=iodef")),
            ("rsa._domainkey", record("v=DKIM1; k=rsa; p=" + RSA[1])),
            ("ed._domainkey", record("v=DKIM1; k=ed25519; p=" + ED25519[1])),
            ("other._domainkey", record("v=DKIM1; k=rsa; p=" + SMALL[1])),
            ("small._domainkey", record("v=DKIM1; k=rsa; p=" + SMALL[1])),
            ("revoked._domainkey", record("v=DKIM1; k=rsa; p=")),
            ("nonsense._domainkey", record("v=DKIM1; k=rsa; p=@@@@")),
        ],
        "strict.test": [
            ("@", record("v=spf1 ip4:192.0.2.0/24 -all")),
            ("_dmarc", record("v=DMARC1; p=quarantine; adkim=s; aspf=s")),
            ("rsa._domainkey", record("v=DKIM1; p=" + RSA[1])),
            ("rsa._domainkey.sub", record("v=DKIM1; p=" + RSA[1])),
            ("sub", record("v=spf1 ip4:192.0.2.0/24 -all")),
        ],
        "nodmarc.test": [("@", record("v=spf1 ip4:192.0.2.0/24 -all"))],
        "baddmarc.test": [("_dmarc", record("v=DMARC1; p=perhaps"))],
        "pct.test": [("_dmarc", record("v=DMARC1; p=reject; pct=0"))],
        # github.io is a public suffix: two names under it are two organizations.
        "github.io": [
            ("@", record("v=spf1 ip4:192.0.2.0/24 -all")),
            ("one", record("v=spf1 ip4:192.0.2.0/24 -all")),
            ("_dmarc.one", record("v=DMARC1; p=reject")),
            ("two", record("v=spf1 ip4:192.0.2.0/24 -all")),
            ("rsa._domainkey.two", record("v=DKIM1; p=" + RSA[1])),
            ("rsa._domainkey", record("v=DKIM1; p=" + RSA[1])),
        ],
        "example.com": [
            ("test._domainkey.football", record(
                "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk"
                "08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHv"
                "qMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB")),
            ("brisbane._domainkey.football", record(
                "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")),
        ],
    }
