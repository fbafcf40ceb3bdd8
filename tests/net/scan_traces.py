# SPDX-License-Identifier: Apache-2.0
"""Where the interference is made: what `steppe export traces` says, against the truth.

Each case has a testbed of its own, with the forger in another place or of another kind.
"""

import contextlib
import ipaddress
import time

from scan_bed import NAMESPACE, difference, inside, succeed
from scan_cases import PAIR_KEY, PEER_NAMESPACE, RATE, check_findings

RUNS = 3
# From the end of a trace: until then everybody has got his resets.
CLOSING_S = 5
# Whose far end is in the program's default range of source ports, in the language of ss.
OUR_CONNECTIONS = "dst {source} and dport >= :61000 and dport <= :65535"
# Enough for all kinds of certificates, and quick.
FORGED_HOSTS, RESET_HOSTS = 32, 8
# A second way to the first router, which announces all of its network to the others as it is.
SECOND_INTERFACE, SECOND_FAR_INTERFACE = "scan1", "toward-scanner1"
SECOND_SOURCE, SECOND_GATEWAY, SECOND_PREFIX_LENGTH = "198.18.0.130", "198.18.0.129", 30


def check_traces(bed, report, database, truth, what):
    """Every pair with interference is located, in all runs, and no other is traced."""
    # All boxes of the testbed keep the hello; next to the host, nobody is behind them to notice.
    wanted = [{**row, "runs": RUNS, "agreeing": RUNS, "path_changed": False,
               "placement": "unknown" if row["hop_after"] == row["host"] else "in_path"}
              for row in truth]
    report.check(what, difference(bed.export(database, "traces"), wanted, PAIR_KEY, "traces"))


def open_connections(bed):
    """Those of the scanner, with the origins and with the box that forges, as ss prints them."""
    found = []
    for namespace in ("steppe-servers", bed.info["forger_namespace"]):
        lines = succeed(inside("ss", "-Htan", OUR_CONNECTIONS.format(source=bed.info["source"]),
                               namespace=namespace)).splitlines()
        found += [f"{namespace}: {' '.join(line.split())}" for line in lines]
    return found


def check_nothing_open(bed, report, when):
    begun = time.monotonic()
    while (left := open_connections(bed)) and time.monotonic() < begun + CLOSING_S:
        time.sleep(0.1)
    report.check(f"no connection is left {when}",
                 f"{len(left)} after {CLOSING_S} s: {'; '.join(left[:10])}" if left else "")


def some_hosts(bed):
    """The addresses of a few hosts behind each interceptor."""
    result = set()
    for verdict, count in (("injected", FORGED_HOSTS), ("reset", RESET_HOSTS)):
        hosts = dict.fromkeys(row["host"] for row in bed.pair_truth if row["verdict"] == verdict)
        result |= set(list(hosts)[:count])
    return result


def trace_some(bed, report):
    """A scan with trace of a few hosts; their pairs, hosts and traces as in the truth."""
    addresses = some_hosts(bed)
    targets = ipaddress.collapse_addresses(ipaddress.ip_network(each) for each in addresses)
    database = bed.fresh("trace.db")
    scan = bed.scan(database, *RATE, targets=[str(each) for each in targets], traced=True)
    check_nothing_open(bed, report, "after the trace")
    report.note(f"the scan took {scan.took_s:.0f} s")
    check_findings(bed, report, database, bed.pairs_of(addresses), bed.hosts_of(addresses))
    check_traces(bed, report, database, bed.traces_of(addresses), "all traces as in the truth")


def trace(bed, report):
    """Every pair with interference is located, by a scan and by a trace of its own."""
    database = bed.fresh("trace.db")
    scan = bed.scan(database, *RATE, traced=True)
    check_nothing_open(bed, report, "after the scan")
    report.note(f"the scan took {scan.took_s:.0f} s")
    check_findings(bed, report, database, bed.pair_truth, bed.host_truth)
    check_traces(bed, report, database, bed.trace_truth, "all traces as in the truth")

    # In the mode for boxes that dislike retransmissions, and faster: the whole bed has one first
    # router, which does not mind.
    again = bed.finish(bed.start("trace", "-i", bed.info["interface"], "--db", database,
                                 "--root-cas", bed.info["root_cas"], "--router-rate-limit", 500,
                                 "--trace-mode", "per-connection"))
    check_nothing_open(bed, report, "after steppe trace")
    report.note(f"steppe trace took {again.took_s:.0f} s")
    check_traces(bed, report, database, bed.trace_truth, "steppe trace: all as in the truth")
    report.equal("each connection for itself", {row["mode"] for row in bed.export(database, "traces")},
                 {"per-connection"})

    # In the middle, hundreds of connections are open.
    stopped = bed.start("trace", "-i", bed.info["interface"], "--db", database,
                        "--root-cas", bed.info["root_cas"], "--router-rate-limit", 500)
    stopped.wait_for(r"trace 0:0[2-9]")
    bed.interrupt(stopped)
    report.equal("interrupted: exit code", stopped.wait(60), 130)
    check_nothing_open(bed, report, "after Ctrl-C")
    check_traces(bed, report, database, bed.trace_truth, "interrupted: all as before, or as anew")
    report.equal("the XDP filter is gone", bed.filter_attached(), False)


def trace_r1(bed, report):
    """The forger at the first router, which is then the hop before."""
    trace_some(bed, report)


def trace_r2(bed, report):
    """The forger at the second router, beside the resetter."""
    trace_some(bed, report)


def trace_r4(bed, report):
    """The forger at the last router: the hop after is the host."""
    trace_some(bed, report)


def trace_proxy(bed, report):
    """A proxy that ends every connection: the hops come from probes without a name."""
    trace_some(bed, report)


def trace_first_proxy(bed, report):
    """The same at the first router: no hop before, the link begins at the scanner."""
    trace_some(bed, report)


@contextlib.contextmanager
def second_link():
    """Another veth between the scanner and the first router."""
    ends = [(NAMESPACE, SECOND_INTERFACE, SECOND_SOURCE),
            (PEER_NAMESPACE, SECOND_FAR_INTERFACE, SECOND_GATEWAY)]
    succeed(["ip", "-n", NAMESPACE, "link", "add", SECOND_INTERFACE, "type", "veth",
             "peer", "name", SECOND_FAR_INTERFACE, "netns", PEER_NAMESPACE])
    try:
        for namespace, interface, address in ends:
            succeed(["ip", "-n", namespace, "address", "add", f"{address}/{SECOND_PREFIX_LENGTH}",
                     "dev", interface])
            succeed(["ip", "-n", namespace, "link", "set", interface, "up"])
            succeed(inside("ethtool", "-K", interface, "tx", "off", "tso", "off", "gso", "off",
                           "gro", "off", namespace=namespace))
        succeed(["ip", "-n", NAMESPACE, "route", "add", "default", "via", SECOND_GATEWAY,
                 "dev", SECOND_INTERFACE, "metric", "100"])
        yield
    finally:
        succeed(["ip", "-n", NAMESPACE, "link", "delete", SECOND_INTERFACE])


def by_second_of_two(host):
    """Which of two devices with a worker each visits a host (engine/plan/host_share.h)."""
    return (int(ipaddress.ip_address(host)) * 0x9e3779b9 & 0xffffffff) >> 31 == 1


def trace_two_devices(bed, report):
    """Two interfaces share the hosts, each of which is seen through one of them in every stage.

    The box that forges stands on the way of the first interface alone, so what is said of a host
    tells which one it was.
    """
    addresses = some_hosts(bed)
    targets = ipaddress.collapse_addresses(ipaddress.ip_network(each) for each in addresses)
    database = bed.fresh("devices.db")
    with second_link():
        scan = bed.scan(database, *RATE, targets=[str(each) for each in targets], traced=True,
                        device=["-i", f"{bed.info['interface']},{SECOND_INTERFACE}"])
        links = succeed(["ip", "-n", NAMESPACE, "-d", "link"])
    report.note(f"the scan took {scan.took_s:.0f} s")
    report.check("no filter is left", "there is one" if "xdp" in links else "")
    pairs = bed.pairs_of(addresses)
    forged = {row["host"] for row in pairs if row["verdict"] == "injected"}
    clean = {host for host in forged if by_second_of_two(host)}
    report.check("each interface has some of the hosts",
                 "" if 0 < len(clean) < len(forged) else f"the second {len(clean)}")
    for row in pairs:
        if row["host"] in clean and row["verdict"] == "injected":
            row.update(verdict="same", interference="no")
    check_findings(bed, report, database, pairs, bed.hosts_of(addresses))
    # The first router answers with the address of the interface that it was asked through.
    traces = [row for row in bed.traces_of(addresses) if row["host"] not in clean]
    seen = {row["host"]: row["path"][0] for row in bed.export(database, "traces") if row["path"]}
    report.equal("forgeries are located through the first",
                 {seen.get(host) for host in forged - clean}, {bed.info["gateway"]})
    report.equal("resets through either", {seen.get(row["host"]) for row in traces} - {None},
                 {bed.info["gateway"], SECOND_GATEWAY})
    for row in traces:
        if seen.get(row["host"]) == SECOND_GATEWAY:
            row["path"] = [SECOND_GATEWAY, *row["path"][1:]]
            if row["hop_before"] == bed.info["gateway"]:
                row["hop_before"] = SECOND_GATEWAY
    check_traces(bed, report, database, traces, "all traces as in the truth")
