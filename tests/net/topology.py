# SPDX-License-Identifier: Apache-2.0
"""Namespaces, links, routes: the wires of the testbed. Nothing outside them is touched.

    scanner --scan0-- r1 -- r2 -- r3 -- r4 -- servers

In each router `toward-r2` is the interface whose other end is in r2, and so on.
"""

import subprocess

import plan
from interceptors import HELLO_MARK, HELLO_TABLE, TAKEN_MARK, TAKEN_TABLE

CHAIN = plan.NAMESPACES

EVERYWHERE = {
    "net.ipv4.ip_forward": 1,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv4.conf.all.send_redirects": 0,
    "net.ipv4.conf.default.send_redirects": 0,
    "net.ipv6.conf.all.disable_ipv6": 1,
    "net.ipv6.conf.default.disable_ipv6": 1,
    # Scans by TTL want every Time Exceeded.
    "net.ipv4.icmp_ratelimit": 0,
    "net.ipv4.icmp_msgs_per_sec": 1_000_000,
    "net.ipv4.icmp_msgs_burst": 1_000_000,
    # With early demux, a packet for one of our transparent sockets that is to be forwarded all the
    # same (takeover.py's RST to the origin) would be dropped.
    "net.ipv4.tcp_early_demux": 0,
    "net.core.somaxconn": 65_535,
    "net.ipv4.tcp_max_syn_backlog": 65_535,
    "net.ipv4.tcp_max_tw_buckets": 262_144,
}

# Where nft's redirect tracks connections. The table's size (262,144 by default) belongs to the
# whole machine and stays as it is; entries go soon after their connection instead.
TRACKING = {
    "net.netfilter.nf_conntrack_tcp_be_liberal": 1,
    "net.netfilter.nf_conntrack_tcp_timeout_established": 120,
    "net.netfilter.nf_conntrack_tcp_timeout_syn_sent": 10,
    "net.netfilter.nf_conntrack_tcp_timeout_syn_recv": 30,
    "net.netfilter.nf_conntrack_tcp_timeout_fin_wait": 5,
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait": 10,
    "net.netfilter.nf_conntrack_tcp_timeout_last_ack": 5,
    "net.netfilter.nf_conntrack_tcp_timeout_time_wait": 2,
    "net.netfilter.nf_conntrack_tcp_timeout_close": 1,
}


def run(*command, text=None, check=True):
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done


def existing():
    """Which of the testbed's namespaces are there."""
    present = {line.split()[0] for line in run("ip", "netns", "list").stdout.splitlines() if line}
    return [name for name in CHAIN if name in present]


def nft(namespace, rules):
    run("ip", "netns", "exec", namespace, "nft", "-f", "-", text=rules)


def set_kernel(namespace, settings):
    """Each setting that this kernel has per namespace."""
    script = "".join(f'echo {value} >"/proc/sys/{name.replace(".", "/")}" || true\n'
                     for name, value in settings.items())
    run("ip", "netns", "exec", namespace, "sh", "-c", script)


def short(namespace):
    return namespace.removeprefix(plan.PREFIX)


def create(forger):
    for namespace in CHAIN:
        run("ip", "netns", "add", namespace)
        set_kernel(namespace, EVERYWHERE)
    for link, (left, right) in enumerate(zip(CHAIN, CHAIN[1:])):
        left_end = plan.INTERFACE if link == 0 else f"toward-{short(right)}"
        right_end = f"toward-{short(left)}"
        # Made inside, so that the machine's own namespace never sees an end of it.
        run("ip", "-n", left, "link", "add", left_end, "type", "veth",
            "peer", "name", right_end, "netns", right)
        # scan0 is .2 and its gateway .1; all later links count from the scanner's side.
        left_host, right_host = (2, 1) if link == 0 else (1, 2)
        for namespace, end, host in ((left, left_end, left_host), (right, right_end, right_host)):
            run("ip", "-n", namespace, "address", "add", f"198.18.{link}.{host}/24", "dev", end)
            run("ip", "-n", namespace, "link", "set", end, "up")
            run("ip", "-n", namespace, "link", "set", "lo", "up")
            # veth leaves checksums and segmentation to hardware that is not there; a scanner that
            # reads raw frames would see unfilled checksums and segments above the MTU.
            run("ip", "netns", "exec", namespace, "ethtool", "-K", end,
                "tx", "off", "tso", "off", "gso", "off", "gro", "off")
    for position, namespace in enumerate(CHAIN):
        if position + 1 < len(CHAIN):
            forward = plan.GATEWAY if position == 0 else f"198.18.{position}.2"
            destination = "default" if position == 0 else "198.18.0.0/15"
            run("ip", "-n", namespace, "route", "add", destination, "via", forward)
        back = plan.GATEWAY if position == 1 else f"198.18.{position - 1}.1"
        for link in range(position - 1):
            run("ip", "-n", namespace, "route", "add", f"198.18.{link}.0/24", "via", back)
    run("ip", "-n", plan.SERVERS, "route", "add", "local", "198.19.0.0/16", "dev", "lo")
    for mark, table in ((TAKEN_MARK, TAKEN_TABLE), (HELLO_MARK, HELLO_TABLE)):
        run("ip", "-n", forger, "rule", "add", "fwmark", str(mark), "lookup", str(table))
    run("ip", "-n", forger, "route", "add", "local", "default", "dev", "lo",
        "table", str(TAKEN_TABLE))


def track(namespace):
    set_kernel(namespace, TRACKING)


def unreachable_rules(hosts):
    """r4 answers for some hosts as real routers do for hosts that are gone or fenced off."""
    def group(name):
        return ", ".join(plan.cidrs(host.address for host in hosts if host.group == name))
    return f"""
table ip unreacher {{
    set gone {{ type ipv4_addr; flags interval; elements = {{ {group("host_unreachable")} }} }}
    set fenced {{ type ipv4_addr; flags interval; elements = {{ {group("prohibited")} }} }}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        ip daddr @gone reject with icmp type host-unreachable
        ip daddr @fenced reject with icmp type admin-prohibited
    }}
}}
"""


LOSS_STEPS = 10_000


def set_loss(percent):
    """r1 drops each packet, in either direction, with this probability."""
    rules = "table ip loss\ndelete table ip loss\n"
    if percent:
        rules += f"""
table ip loss {{
    chain forward {{
        type filter hook forward priority filter; policy accept;
        numgen random mod {LOSS_STEPS} < {round(percent * LOSS_STEPS / 100)} drop
    }}
}}
"""
    nft(plan.ROUTERS[0], rules)


def remove():
    """Removes the namespaces, and with them everything inside."""
    for namespace in existing():
        run("ip", "netns", "delete", namespace, check=False)
    left = existing()
    if left:
        raise RuntimeError(f"namespaces that cannot be removed: {', '.join(left)}")
