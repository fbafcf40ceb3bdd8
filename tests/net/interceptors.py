# SPDX-License-Identifier: Apache-2.0
"""The two interceptors: what the kernel of their routers must match, and what sslsplit must know.

Both judge one packet, the one that carries the ClientHello, by the server name in it. nft cannot
search, it can only compare bytes at a fixed place; so there is a comparison for each place where
the name may begin. To keep that cheap each place costs one look-up of four bytes (the name's type,
its length and its first letter, as RFC 6066 section 3 lays them out) and only a hit compares the
whole name. A hello that is split over several segments passes unseen, as it does in many real
boxes.

The resetter lets the kernel answer with RST and drops the hello. The forger needs more, because
sslsplit wants a connection and the client already has one, with the origin: takeover.py moves it.

The forger's other kind knows no such scruples: it accepts every connection to the watched hosts
itself (nft's redirect, terminating.py), and reads the name at leisure.

Each table has its own name, as two interceptors may be in one router.
"""

import plan

# The shortest ClientHello with a server name has it at 61; browsers' come up to about 500.
DEFAULT_OFFSETS = range(61, 601)

TAKEN_MARK, HELLO_MARK, FORGE_MARK = 1, 2, 3
TAKEN_TABLE, HELLO_TABLE = 100, 101
HELLO_DEVICE = "box0"
SSLSPLIT_PORT, TERMINATING_PORT = 10443, 10444


def name_entry(name):
    """A server name as it stands in a ClientHello (RFC 6066 section 3)."""
    return b"\0" + len(name).to_bytes(2, "big") + name.encode()


def name_chains(names, offsets, action):
    """nft chain `hello` and its helpers: a ClientHello for one of `names` gets `action`."""
    wanted = [name_entry(name) for name in names]
    chains, rules = [], []
    for offset in offsets:
        at = (offset - 3) * 8
        heads = sorted({"0x" + entry[:4].hex() for entry in wanted})
        rules.append(f"@ih,{at},32 {{ {', '.join(heads)} }} jump at_{offset}")
        whole = "\n".join(f"        @ih,{at},{len(entry) * 8} 0x{entry.hex()} {action}"
                          for entry in wanted)
        chains.append(f"    chain at_{offset} {{\n{whole}\n    }}\n")
    body = "\n".join("        " + rule for rule in rules)
    return "".join(chains) + f"    chain hello {{\n{body}\n    }}\n"


def _range(hosts, interceptor):
    return ", ".join(plan.cidrs(host.address for host in hosts if host.interceptor == interceptor))


def resetter_rules(hosts, offsets):
    return f"""
table ip resetter {{
    set watched {{ type ipv4_addr; flags interval; elements = {{ {_range(hosts, "reset")} }} }}
{name_chains(plan.RESET_NAMES, offsets, "reject with tcp reset")}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        # A TLS handshake record, whatever its version.
        ip daddr @watched tcp dport 443 @ih,0,16 0x1603 jump hello
    }}
}}
"""


def forger_rules(hosts, offsets, forger):
    if forger.kind == plan.REDIRECT:
        chains = f"""
    chain terminate {{
        type nat hook prerouting priority dstnat; policy accept;
        iifname "{forger.near_interface}" ip daddr @watched tcp dport 443 \\
            redirect to :{TERMINATING_PORT}
    }}"""
    else:
        chains = _takeover_chains(offsets, forger.near_interface)
    return f"""
table ip forger {{
    set watched {{ type ipv4_addr; flags interval; elements = {{ {_range(hosts, "forge")} }} }}
{chains}
    chain to_sslsplit {{
        type nat hook output priority -100; policy accept;
        meta mark {FORGE_MARK} tcp dport 443 redirect to :{SSLSPLIT_PORT}
    }}
}}
"""


def _takeover_chains(offsets, near):
    return f"""
{name_chains(plan.FORGED_NAMES, offsets, f"meta mark set {HELLO_MARK} accept")}
    chain divert {{
        type filter hook prerouting priority mangle; policy accept;
        # A new connection from the port of one that was taken over: takeover.py forgets the old
        # one and lets the SYN go on, ...
        iifname "{near}" ip daddr @watched tcp dport 443 tcp flags & (syn | ack) == syn \\
            socket transparent 1 meta mark set {HELLO_MARK} accept
        # ... what else belongs to a connection that was taken over stays here, ...
        iifname "{near}" ip daddr @watched tcp dport 443 socket transparent 1 \\
            meta mark set {TAKEN_MARK} accept
        # ... a hello for a blocked name goes to takeover.py, and all else to the origin.
        iifname "{near}" ip daddr @watched tcp dport 443 @ih,0,16 0x1603 jump hello
    }}
    chain untracked_in {{
        # Connection tracking serves only the way from takeover.py to sslsplit; it would cost the
        # rest.
        type filter hook prerouting priority raw; policy accept;
        iifname != "lo" notrack
    }}
    chain untracked_out {{
        type filter hook output priority raw; policy accept;
        oifname != "lo" meta mark != {FORGE_MARK} notrack
    }}"""


def sslsplit_config(certificates):
    return f"""
CACert {certificates}/forger.pem
CAKey {certificates}/forger.key
CAChain {certificates}/forger_root.pem
LeafKey {certificates}/forger_leaf.key
# Forge from the origin's certificate alone: the name asked for is not added.
AddSNIToCertificate no
User root
NATEngine netfilter
ProxySpec ssl 0.0.0.0 {SSLSPLIT_PORT}
"""
