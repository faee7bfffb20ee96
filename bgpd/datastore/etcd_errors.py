"""What went wrong with etcd, in words for an operator: what was seen, where, and what to look at.

gRPC reports everything that happens below a request as one status with a line of its libraries' words.
"""

from typing import Final

from bgpd.config import ResolvedEtcd
from bgpd.datastore.store import Compacted, StoreError

# What the line has in it: what that means, what to do about it. The first that fits counts.
_SEEN: Final = (
    ("certificate has expired", "its certificate has expired", "renew it, and see the clock of this host"),
    ("certificate is not yet valid", "its certificate is not valid yet", "see the clock of this host"),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not one of the authority in {authority}", "see [etcd] ca_file"),
    ("is not in peer certificate", "its certificate is for another name or address", "see [etcd] endpoints"),
    ("Hostname Verification", "its certificate is for another name or address", "see [etcd] endpoints"),
    ("WRONG_VERSION_NUMBER", "it may not speak TLS", "write its endpoint as http://"),
    (
        "TSI_DATA_CORRUPTED",
        "it refuses our part of TLS: it may want a certificate of ours, or one in date",
        "see [etcd] cert_file",
    ),
    ("ALERT_CERTIFICATE_REQUIRED", "it wants a certificate of ours", "see [etcd] cert_file and key_file"),
    ("ALERT_BAD_CERTIFICATE", "it does not take our certificate", "see [etcd] cert_file and key_file"),
    ("ALERT_UNKNOWN_CA", "it does not know the authority of our certificate", "see [etcd] cert_file"),
    ("Ssl handshake failed", "the TLS handshake failed", "see [etcd] ca_file, cert_file and key_file"),
    ("Invalid cert chain file", "our certificate or key cannot be used", "see [etcd] cert_file and key_file"),
    ("Connection refused", "connection refused", ""),
    ("No route to host", "no route to host", ""),
    ("Network is unreachable", "network is unreachable", ""),
    ("DNS resolution failed", "its name cannot be resolved", "see [etcd] endpoints"),
    ("Domain name not found", "its name cannot be resolved", "see [etcd] endpoints"),
    ("invalid user ID or password", "it refuses {user} or the password in {password_file}", "see [etcd] username"),
    ("user name is empty", "it wants a user", "see [etcd] username and password_file"),
    ("permission denied", "{user} may not do that", "grant a role of that user this range of keys"),
    ("no leader", "it has lost the other members: there is no leader", ""),
    ("request timed out", "it has lost the other members: no answer in time", ""),
    ("auth token", "it does not know our token any more", ""),
    ("database space exceeded", "its database is full", "compact and defragment it, then disarm its alarm"),
    ("Socket closed", "it closed the connection: it may {other} TLS", "see [etcd] endpoints: https:// or http://"),
)


def explained(endpoint: str, what: str, status: str, line: str, settings: ResolvedEtcd) -> StoreError:
    """Return the error to raise. what: was asked. status: of gRPC, its name. line: its words."""
    if "required revision has been compacted" in line:
        return Compacted(f"{endpoint}: cannot {what}: that revision is compacted")
    for words, meaning, hint in _SEEN:
        if words in line:
            text = meaning.format(
                authority=settings.ca_file or "the system's store",
                user=f"user {settings.username}" if settings.username else "the user of our certificate",
                other="not speak" if endpoint.startswith("https:") else "want",
                password_file=settings.password_file,
            )
            return StoreError(f"{endpoint}: cannot {what}: {text}", hint)
    if status == "DEADLINE_EXCEEDED":
        return StoreError(f"{endpoint}: cannot {what}: no answer in time")
    return StoreError(f"{endpoint}: cannot {what}: {line.removeprefix('etcdserver: ') or status}")
