# SPDX-License-Identifier: Apache-2.0
"""What the testbed consists of, and what a correct scan of it must say.

Everything here is a pure function of how many trusted hosts are wanted, of how many of them speak
TLS 1.3 only, and of where the forger stands: names, addresses, which server answers at which
address, which interceptor stands before it. The servers, the interceptors and the truth are all
made from this one table, so they cannot drift apart.

    198.18.0.0/24 scanner - r1   198.18.1.0/24 r1 - r2   198.18.2.0/24 r2 - r3
    198.18.3.0/24 r3 - r4        198.18.4.0/24 r4 - servers
    198.19.0.0/16 the hosts that are scanned

A scan of any address sees four routers, and the host as the fifth hop. r2 resets connections by
name, r3 (or another that is asked for) forges certificates by name.
"""

import dataclasses
import ipaddress

PREFIX = "steppe-"
SCANNER, SERVERS = PREFIX + "scanner", PREFIX + "servers"
ROUTERS = [f"{PREFIX}r{number}" for number in (1, 2, 3, 4)]
NAMESPACES = [SCANNER, *ROUTERS, SERVERS]
RESETTER, UNREACHER = ROUTERS[1], ROUTERS[3]

INTERFACE = "scan0"
SOURCE, GATEWAY = "198.18.0.2", "198.18.0.1"
# On the same link, and nobody's: for a scanner that answers ARP itself.
SPARE_SOURCE = "198.18.0.3"
PAGE_ADDRESS = "198.18.4.2"
# Of each router the address towards the scanner: that is where its ICMP errors come from.
HOPS = [GATEWAY, "198.18.1.2", "198.18.2.2", "198.18.3.2"]
HOST_TTL = len(HOPS) + 1
FIRST_TARGET = int(ipaddress.ip_address("198.19.0.0"))

TAKEOVER, REDIRECT = FORGER_KINDS = ["takeover", "redirect"]

# Random and well-formed: names that nobody would think of blocking.
CONTROLS = ["k3vd8wq1xn.net", "pz6rtm0hya.org", "j9cfu2lbes.com"]
FORGED_NAMES = ["facebook.com", "google.com", "vk.com", "mail.ru", "twitter.com"]
RESET_NAMES = ["messenger.com"]
FREE_NAMES = ["wikipedia.org", "example.org"]
NAMES = FORGED_NAMES + RESET_NAMES + FREE_NAMES

# Name-based hosting: under these names the hosts of the group "named" show another certificate.
NAMED_TRUSTED = ["vk.com", "wikipedia.org"]
NAMED_SELF_SIGNED = ["example.org"]


@dataclasses.dataclass(frozen=True)
class Service:
    """One kind of server. Each leaf is a certificate and a port in the servers' namespace."""
    leaves: int
    status: str  # of its hosts, in the words of `testbed truth --hosts`; "": not listed there
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Forger:
    """Where certificates are forged, and how the box comes by the connections."""
    place: int = 3  # the router's number
    kind: str = TAKEOVER  # in mid-flight (takeover.py), or all from the SYN on (terminating.py)

    @property
    def namespace(self):
        return ROUTERS[self.place - 1]

    @property
    def near_interface(self):
        """Where the scanner's packets come in."""
        return "toward-scanner" if self.place == 1 else f"toward-r{self.place - 1}"

    @property
    def answer_ttl(self):
        """The smallest TTL of a hello that it answers: forwarding costs one, delivery nothing."""
        return self.place + (self.kind == TAKEOVER)


RESET_TTL = ROUTERS.index(RESETTER) + 2

# Real hosts differ in their certificates, hence many leaves; RSA leaves are fewer as they cost 0.2
# s each.
SERVICES = {
    "ecdsa": Service(64, "trusted"),
    "rsa": Service(16, "trusted"),
    "bare": Service(16, "trusted"),  # the intermediate is not sent
    "named": Service(32, "trusted"),  # another certificate for some names
    "picky": Service(4, "trusted"),  # unknown names: alert; no name: its trusted certificate
    "dribble": Service(1, "trusted"),  # one byte a segment
    "huge": Service(1, "trusted"),  # a chain of about 90 KB
    "self_signed": Service(16, "untrusted", "self_signed"),
    "expired": Service(4, "untrusted", "expired"),
    "strict": Service(4, "rejects_names"),  # unknown names and no name: alert
    "tls13": Service(8, "trusted"),  # TLS 1.3 only
    "http": Service(1, "not_tls"),
    "mute": Service(1, "timeout"),
    "slam": Service(1, "reset"),  # RST right after the ClientHello
    "hang_up": Service(1, "closed"),  # FIN right after the ClientHello
    "page": Service(1, ""),
    "closed_port": Service(0, ""),
    "silent": Service(0, ""),
    "host_unreachable": Service(0, ""),
    "prohibited": Service(0, ""),
}

# (name, sixteenths of the trusted hosts, service, interceptor on the way)
TRUSTED_GROUPS = [
    ("ecdsa", 7, "ecdsa", None),
    ("rsa", 2, "rsa", None),
    ("bare", 1, "bare", None),
    ("named", 1, "named", None),
    ("reset_ecdsa", 1, "ecdsa", "reset"),
    ("reset_rsa", 1, "rsa", "reset"),
    ("forged_ecdsa", 1, "ecdsa", "forge"),
    ("forged_rsa", 1, "rsa", "forge"),
    ("forged_bare", 1, "bare", "forge"),
]

# (name, hosts, service); silent ones fill the block up.
OTHER_GROUPS = [
    ("self_signed", 32, "self_signed"),
    ("expired", 32, "expired"),
    ("tls13", 32, "tls13"),
    ("picky", 16, "picky"),
    ("strict", 16, "strict"),
    ("http", 16, "http"),
    ("mute", 16, "mute"),
    ("slam", 16, "slam"),
    ("hang_up", 16, "hang_up"),
    ("dribble", 4, "dribble"),
    ("huge", 4, "huge"),
    ("closed_port", 64, "closed_port"),
    ("host_unreachable", 32, "host_unreachable"),
    ("prohibited", 32, "prohibited"),
]
OTHER_BLOCK = 512
MAX_TRUSTED = 60_000  # of the 65,536 addresses of 198.19.0.0/16, with room for the other block

FIRST_PORT = 20_001


@dataclasses.dataclass(frozen=True)
class Host:
    address: int
    group: str
    service: str
    leaf: int
    interceptor: str | None
    tls13: bool  # and nothing older

    @property
    def ip(self):
        return str(ipaddress.ip_address(self.address))

    @property
    def server(self):
        """Its key in ports()."""
        return self.service, self.leaf, self.tls13

    @property
    def trusted(self):
        return SERVICES[self.service].status == "trusted"


def ports(all_hosts):
    """{(service, leaf, TLS 1.3 only): TCP port in the servers' namespace}"""
    servers = {(name, leaf, name == "tls13") for name, service in SERVICES.items()
               for leaf in range(service.leaves)}
    servers |= {host.server for host in all_hosts if SERVICES[host.service].leaves}
    return {server: FIRST_PORT + index for index, server in enumerate(sorted(servers))}


def hosts(trusted, tls13_every=0):
    """All addresses of a testbed with at least `trusted` trusted hosts, in ascending order.

    Of each trusted group, one in so many hosts speaks TLS 1.3 only; 0: none but the group "tls13".
    """
    if not 1 <= trusted <= MAX_TRUSTED:
        raise ValueError(f"between 1 and {MAX_TRUSTED} trusted hosts fit, not {trusted}")
    # Whole multiples of 256 keep every group a multiple of 16 and the CIDRs few.
    sixteenth = -(-trusted // 256) * 16
    result = []

    def add(group, count, service, interceptor=None):
        leaves = max(1, SERVICES[service].leaves)
        for index in range(count):
            # The last of them, so that the first host of each group is an ordinary one.
            chosen = (tls13_every > 0 and SERVICES[service].status == "trusted"
                      and index % tls13_every == tls13_every - 1)
            result.append(Host(FIRST_TARGET + len(result), group, service, index % leaves,
                               interceptor, chosen or service == "tls13"))

    for group, share, service, interceptor in TRUSTED_GROUPS:
        add(group, share * sixteenth, service, interceptor)
    for group, count, service in OTHER_GROUPS:
        add(group, count, service)
    add("silent", 16 * sixteenth + OTHER_BLOCK - len(result), "silent")
    return result


def cidrs(addresses):
    """The fewest CIDRs that cover exactly these addresses."""
    return [str(network) for network in ipaddress.collapse_addresses(
        ipaddress.ip_network((address, 32)) for address in addresses)]


def verdict(host, name):
    """(verdict, interference) of one pair of a trusted host."""
    if name in CONTROLS:
        return "same", "no"
    if host.service == "picky":
        return "alert", "no"
    if host.interceptor == "forge" and name in FORGED_NAMES:
        return "injected", "yes"
    if host.interceptor == "reset" and name in RESET_NAMES:
        return "reset", "yes"
    if host.service == "named" and name in NAMED_TRUSTED:
        return "genuine", "no"
    if host.service == "named" and name in NAMED_SELF_SIGNED:
        return "untrusted", "inconclusive"
    return "same", "no"


def pair_truth(all_hosts):
    """One object for each pair of every trusted host, by address, then name."""
    for host in all_hosts:
        if not host.trusted:
            continue
        for name in sorted(CONTROLS + NAMES):
            what, interference = verdict(host, name)
            yield {"host": host.ip, "port": 443, "sni": name, "control": name in CONTROLS,
                   "verdict": what, "interference": interference}


def trace_truth(all_hosts, forger):
    """One object for each pair with interference: the link on which its answers are made.

    A hello with TTL t comes to its end in router t. A box that takes what is forwarded acts after
    the TTL check, so it answers from t = its router's number + 1: its link is the one behind its
    router. A box that ends connections itself gets all that arrives: its link is the one before.
    """
    for row in pair_truth(all_hosts):
        if row["interference"] != "yes":
            continue
        forged = row["verdict"] == "injected"
        ttl = forger.answer_ttl if forged else RESET_TTL
        path = HOPS + [row["host"]]
        yield {"host": row["host"], "port": 443, "sni": row["sni"], "outcome": "located",
               "injection_ttl": ttl, "host_ttl": HOST_TTL,
               "hop_before": path[ttl - 2] if ttl > 1 else None, "hop_after": path[ttl - 1],
               "path": path, "terminating": forged and forger.kind == REDIRECT,
               "ttl_copied": False}


def host_truth(all_hosts):
    """One object for each host that answers a SYN with a SYN-ACK."""
    for host in all_hosts:
        service = SERVICES[host.service]
        if service.status:
            row = {"host": host.ip, "port": 443, "status": service.status}
            if service.reason:
                row["reason"] = service.reason
            if host.trusted and host.tls13:
                row["tls_version"] = "TLSv1.3"
            yield row
