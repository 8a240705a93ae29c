"""A certificate authority of a company's own, and a server's certificate by it."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NAMES = ("localhost", "telegram.inside.test", "slack.inside.test", "site.inside.test", "ai.inside.test")


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
    )


@cache
def _made() -> tuple[bytes, bytes, bytes]:
    """(authority, server's certificate, server's key), PEM."""
    root, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    authority = (
        _builder("Company CA", "Company CA", root)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root.public_key()), critical=False)
        .sign(root, hashes.SHA256())
    )
    addresses = [x509.IPAddress(ip_address(one)) for one in ("127.0.0.1", "::1")]
    names = x509.SubjectAlternativeName([*map(x509.DNSName, NAMES), *addresses])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key())
    server = (
        _builder("server", "Company CA", key)
        .add_extension(names, critical=False)
        .add_extension(issuer, critical=False)
        .sign(root, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return authority.public_bytes(Encoding.PEM), server.public_bytes(Encoding.PEM), private


def ca_file(folder: Path) -> Path:
    file = folder / "company-ca.pem"
    file.write_bytes(_made()[0])
    return file


def server_context(folder: Path) -> ssl.SSLContext:
    certificate, key = folder / "server.pem", folder / "server.key"
    certificate.write_bytes(_made()[1])
    key.write_bytes(_made()[2])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
