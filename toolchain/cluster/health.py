"""Asking the cluster's parts how they are."""

import contextlib
import secrets
import socket
import ssl
import struct
import urllib.error
import urllib.request
from ipaddress import IPv4Address

from toolchain.cluster.layout import CLUSTER_DOMAIN, DNS_IP, KUBERNETES_IP

# Health only, of processes of our own on the loopback address, some of which sign their certificates themselves.
_UNVERIFIED = ssl.create_default_context()
_UNVERIFIED.check_hostname = False
_UNVERIFIED.verify_mode = ssl.CERT_NONE
# A proxy named in the environment is not for these.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=_UNVERIFIED))


def healthy(where: str, timeout: float = 2.0) -> bool:
    """Whether a URL answers 200, or a socket at an absolute path accepts."""
    try:
        if where.startswith("/"):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(timeout)
                client.connect(where)
            return True
        with _OPENER.open(where, timeout=timeout) as response:
            return response.status == 200
    except (OSError, urllib.error.URLError):
        return False


def dns_answers(server: tuple[str, int] = (DNS_IP, 53), timeout: float = 0.3) -> bool:
    """Whether the cluster's DNS Service, or another DNS server, resolves the API server's name.

    A right answer of the Service has passed through kube-proxy's rules, the pod network, CoreDNS and its view of the
    API.
    """
    identity = secrets.token_bytes(2)
    name = b"".join(
        bytes([len(label)]) + label.encode() for label in f"kubernetes.default.svc.{CLUSTER_DOMAIN}".split(".")
    )
    query = identity + struct.pack("!5H", 0x0100, 1, 0, 0, 0) + name + b"\0" + struct.pack("!2H", 1, 1)
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        client.sendto(query, server)
        answer = client.recv(512)
        # Response code 0 in the header, and the address at the end of the only answer.
        return (
            answer[:2] == identity
            and answer[3] & 0x0F == 0
            and answer.endswith(struct.pack("!H", 4) + IPv4Address(KUBERNETES_IP).packed)
        )
    return False
