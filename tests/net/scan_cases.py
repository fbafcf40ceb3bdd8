# SPDX-License-Identifier: Apache-2.0
"""What a scan finds: compared with the truth, row by row.

A case is a function of the testbed and the report; its name is the case's, the first line of its
docstring what it is about.
"""

import collections
import contextlib
import hashlib
import ipaddress
import json
import pathlib
import subprocess
import threading
import time

from scan_bed import (Background, difference, inside, last_lines, run, succeed, without_times)

PAIR_KEY, HOST_KEY = ("host", "port", "sni"), ("host", "port")
RATE = ["-r", "4000"]
# The program's default range of source ports.
PORTS = "61000-65535"
# From the end of the filter to that of the program, which sums up what it found.
CLOSING_S = 10
SAME_PORT, OTHER_PORT = 40_000, 20_000
PEER_NAMESPACE, PEER_INTERFACE = "steppe-r1", "toward-scanner"
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


def check_findings(bed, report, database, pair_truth, host_truth, pairs="all pairs as in the truth",
                   hosts="all hosts as in the truth"):
    report.check(pairs, difference(bed.export(database, "pairs"), pair_truth, PAIR_KEY, "pairs"))
    report.check(hosts, difference(bed.export(database, "hosts"), host_truth, HOST_KEY, "hosts"))


def forger_key(bed):
    """SHA-256 of the SubjectPublicKeyInfo that sslsplit signs with."""
    certificate = pathlib.Path(bed.info["root_cas"]).parent / "forger.pem"
    pem = succeed(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"])
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=pem.encode(),
                         capture_output=True, check=True, timeout=10).stdout
    return hashlib.sha256(der).hexdigest()


def check_interceptor(bed, report, database):
    rows = bed.export(database, "interceptors")
    forged = {row["host"] for row in bed.pair_truth if row["verdict"] == "injected"}
    report.equal("the interceptor, its key and its number of hosts",
                 [(row["spki_sha256"], row["hosts"]) for row in rows],
                 [(forger_key(bed), len(forged))])


class PageReader:
    """Fetches a page over and over from the scanner's own namespace, as another program would."""

    INTERVAL_S = 0.2

    def __init__(self, info, first_port):
        self.command = inside("curl", "-sS", "--max-time", 5, "--cacert", info["root_cas"],
                              "-o", "/dev/null", "-w", "%{http_code}")
        self.page, self.next_port = info["page"], first_port
        self.good, self.failures = 0, []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.read)

    def read(self):
        begun = time.monotonic()
        while not self.over.is_set():
            port, self.next_port = self.next_port, self.next_port + 1
            done = run([*self.command, "--local-port", port, self.page])
            if done.stdout == "200":
                self.good += 1
            else:
                self.failures.append(f"after {time.monotonic() - begun:.0f} s from port {port}: "
                                     f"{done.stderr.strip()}")
            self.over.wait(self.INTERVAL_S)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def why_not(self, at_least):
        if self.failures:
            return (f"{len(self.failures)} of {self.good + len(self.failures)} times not: "
                    + "; ".join(self.failures[:4]))
        return "" if self.good >= at_least else f"only {self.good} times"


class ResetWatch:
    """Counts the resets that leave the scanner, and tells the kernel's from the engine's.

    Seen at the far end of the link, as no packet tap of the near end sees what AF_XDP sends. The
    engine's segments have IP identification 0 and may be fragmented; the kernel's resets may not
    (tcp(7), ip_no_pmtu_disc).

    What comes when the scan has closed its filter is the kernel's to answer: only what was sent
    while the filter was there counts.
    """

    BY_KERNEL = "(ip[4:2] != 0 or ip[6] & 0x40 != 0)"

    def __init__(self, bed):
        self.bed, self.file = bed, bed.fresh("resets.pcap")
        page = bed.info["page"].split("/")[2]
        expression = (f"src host {bed.info['source']} and tcp[tcpflags] & tcp-rst != 0 and "
                      f"src portrange {PORTS} and not dst host {page}")
        self.capture = Background(
            inside("tcpdump", "-i", PEER_INTERFACE, "-s", 64, "-U", "-w", self.file, expression,
                   namespace=PEER_NAMESPACE), bed.work, self.file.stem)
        self.capture.wait_for("listening on", 10)
        self.counted_before = self.counted_last = self.counted()
        self.last = time.time()

    @staticmethod
    def counted():
        """What the kernel says that it has sent."""
        lines = [line.split() for line in succeed(inside("cat", "/proc/net/snmp")).splitlines()
                 if line.startswith("Tcp:")]
        return int(dict(zip(*lines))["OutRsts"])

    def follow(self, scan):
        """Looks on until the scan is over; returns how long before its end the filter went."""
        while scan.process.poll() is None:
            counted, now = self.counted(), time.time()
            if self.bed.filter_attached():
                self.counted_last, self.last = counted, now
            time.sleep(0.2)
        return time.time() - self.last

    def end(self):
        """(resets by the kernel's counter, its resets in the capture, the engine's there)"""
        time.sleep(0.5)
        self.capture.process.terminate()
        self.capture.wait(10)

        def frames(expression):
            lines = succeed(["tcpdump", "-nn", "-tt", "-r", self.file, expression]).splitlines()
            return sum(float(line.split()[0]) <= self.last for line in lines)
        return (self.counted_last - self.counted_before, frames(self.BY_KERNEL),
                frames(f"not {self.BY_KERNEL}"))


def verdicts(bed, report):
    """Every pair and host as in the truth, while the host goes on using its network.

    A third of the trusted hosts refuses the TLS 1.2 hello that is sent first.
    """
    database = bed.fresh("verdicts.db")
    resets = ResetWatch(bed)
    with PageReader(bed.info, OTHER_PORT) as reader, PageReader(bed.info, SAME_PORT) as rival:
        scan = bed.start(*bed.arguments(database), *RATE)
        alone_s = resets.follow(scan)
        bed.finish(scan)
    report.note(f"the scan took {scan.took_s:.0f} s")
    counted, kernels, engines = resets.end()
    check_findings(bed, report, database, bed.pair_truth, bed.host_truth)
    check_interceptor(bed, report, database)
    tls13 = {row["host"] for row in bed.host_truth if row.get("tls_version") == "TLSv1.3"}
    forged = {row["host"] for row in bed.pair_truth if row["verdict"] == "injected"}
    report.note(f"{len(tls13)} hosts over TLS 1.3, {len(tls13 & forged)} of them with forgeries")
    report.check("another program reads a page all the while", reader.why_not(51))
    report.check("another program does so from a port that Linux gives out", rival.why_not(51))
    report.check("the XDP filter is there until the end", "" if alone_s < CLOSING_S
                 else f"not for the last {alone_s:.0f} s")
    report.check("the capture sees the engine's resets", "" if engines > 0 else "it saw none")
    report.equal("no reset by the kernel in the scan's port range", kernels, 0)
    report.equal("no reset by the kernel's own count", counted, 0)
    report.equal("the XDP filter is gone", bed.filter_attached(), False)


def loss(bed, report):
    """The same with 5 % of all packets lost in each direction."""
    database = bed.fresh("loss.db")
    with bed.loss(5):
        # Nobody here is slow, and nothing blocks for a while: the rests need not be long.
        scan = bed.scan(database, *RATE, "-P", "6", "-c", "3", "--stateful-wait", "20")
    report.note(f"the scan took {scan.took_s:.0f} s")
    check_findings(bed, report, database, bed.pair_truth, bed.host_truth)
    check_interceptor(bed, report, database)


def varied_block(bed):
    """The /26 with the most kinds of pairs, and the hosts of the truth in it."""
    kinds = collections.defaultdict(set)
    for row in bed.pair_truth:
        block = ipaddress.ip_network((row["host"], 26), strict=False)
        kinds[block].add((row["sni"], row["verdict"]))
    block = max(kinds, key=lambda each: (len(kinds[each]), -int(each.network_address)))
    return str(block), {str(address) for address in block}


@contextlib.contextmanager
def large_peer_mtu(bed):
    """Beyond a page, the kernel refuses XDP on the other end of a veth (veth_xdp_set())."""
    link = ["ip", "-n", PEER_NAMESPACE, "link", "set", PEER_INTERFACE, "mtu"]
    succeed([*link, 9000])
    try:
        yield
    finally:
        succeed([*link, 1500])


def spare_address(bed, report):
    """With an address of its own, for which it answers ARP, on each kind of device."""
    block, addresses = varied_block(bed)
    pairs, hosts = bed.pairs_of(addresses), bed.hosts_of(addresses)
    interface, spare = bed.info["interface"], ["-S", bed.info["spare_source"]]
    packet = ["--vdev", f"net_af_packet0,iface={interface}", "--gateway-ip", bed.info["gateway"]]

    def scan(name, device):
        database = bed.fresh(f"{name}.db")
        done = bed.scan(database, *RATE, *spare, targets=[block], device=device)
        check_findings(bed, report, database, pairs, hosts, f"{name}: pairs as in the truth",
                       f"{name}: hosts as in the truth")
        return done

    scan("net_af_xdp", ["-i", interface])
    scan("net_af_packet", packet)
    with large_peer_mtu(bed):
        done = scan("fallback", ["-i", interface])
        report.check("fallback: says so", "" if "net_af_packet instead" in done.stderr()
                     else last_lines(done.stderr()))
        refused = run(inside(bed.steppe, *bed.arguments(bed.fresh("own.db"), targets=[block])))
        report.check("fallback: refuses the kernel's own address",
                     "" if refused.returncode == 2 and "-S" in refused.stderr
                     else f"exit {refused.returncode}: {last_lines(refused.stderr)}")
    report.equal("the XDP filter is gone", bed.filter_attached(), False)


def shards(bed, report):
    """Three shards find each host once, and together what one scan finds."""
    block, addresses = varied_block(bed)
    what = {"targets": [block], "names": bed.info["names"][:1]}
    whole = bed.fresh("whole.db")
    bed.scan(whole, *RATE, **what)
    parts = []
    for shard in range(3):
        database = bed.fresh(f"shard-{shard}.db")
        bed.scan(database, *RATE, "--shards", "3", "--shard", shard, "-e", "5", **what)
        parts.append([without_times(row) for row in bed.export(database, "hosts")])
    report.check("the unsharded scan finds all hosts",
                 difference(bed.export(whole, "hosts"), bed.hosts_of(addresses), HOST_KEY, "hosts"))
    report.check("three shards together", difference(
        [row for part in parts for row in part],
        [without_times(row) for row in bed.export(whole, "hosts")], HOST_KEY, "hosts"))
    sizes = [len(part) for part in parts]
    report.check("every shard has its part", "" if min(sizes) > 0 else f"{sizes} hosts")


def dry_run(bed, report):
    """Prints each target once, the same each time, without root or a network of its own."""
    targets = bed.info["targets"]
    addresses = sorted(str(address) for target in targets
                       for address in ipaddress.ip_network(target))

    def dry(*flags):
        done = run([*NOBODY, bed.steppe, "scan", "--dryrun", *targets, "--sni", "example.org",
                    "-S", bed.info["source"], *flags])
        if done.returncode:
            raise RuntimeError(f"exit {done.returncode}: {last_lines(done.stderr)}")
        return done.stdout

    def destinations(text):
        header, *rows = text.splitlines()
        column = header.split(",").index("daddr")
        return [row.split(",")[column] for row in rows]

    first = dry("-e", "7")
    report.check("the same with the same seed", "" if dry("-e", "7") == first else "it differs")
    report.check("another order with another seed",
                 "" if destinations(dry("-e", "8")) != destinations(first) else "the same order")
    report.check("each target once", "" if sorted(destinations(first)) == addresses else
                 f"{len(destinations(first))} lines for {len(addresses)} addresses")
    dealt = [address for shard in range(3) for address in
             destinations(dry("-e", "7", "--shards", "3", "--shard", shard))]
    report.check("each target in one shard", "" if sorted(dealt) == addresses else
                 f"{len(dealt)} lines for {len(addresses)} addresses")


def bench(bed, report):
    """steppe bench syn where hosts answer: they are turned away, and the benchmark goes on."""
    done = run(inside(bed.steppe, "bench", "syn", "-i", bed.info["interface"], "--seconds", "0.1",
                      "--runs", "1", "--json", "-"))
    rate = json.loads(done.stdout)["rows"][0]["per_second"] if done.returncode == 0 else 0
    report.check("ends well", "" if rate > 0 else f"exit {done.returncode}: "
                 f"{last_lines(done.stderr)}")
    report.equal("the XDP filter is gone", bed.filter_attached(), False)


@contextlib.contextmanager
def two_queues(bed):
    """Both ends of the scanner's link with two queues each way; yields whether that works."""
    ends = [(bed.info["namespace"], bed.info["interface"]), (PEER_NAMESPACE, PEER_INTERFACE)]
    try:
        yield all(run(inside("ethtool", "-L", interface, "rx", 2, "tx", 2,
                             namespace=namespace)).returncode == 0
                  for namespace, interface in ends)
    finally:
        for namespace, interface in reversed(ends):
            run(inside("ethtool", "-L", interface, "rx", 1, "tx", 1, namespace=namespace))


def cores(bed, report):
    """Workers and queues, one or two of each, find what one of each finds."""
    block, addresses = varied_block(bed)
    interface, two = bed.info["interface"], ["--cores", "2"]

    def check(name, *flags, device=None):
        database = bed.fresh("cores.db")
        try:
            scan = bed.scan(database, *RATE, *flags, targets=[block], device=device)
        except RuntimeError as error:
            report.check(name, str(error))
            return
        report.check(f"{name}: as many workers as wished", last_lines(scan.stderr())
                     if "instead of" in scan.stderr() else "")
        check_findings(bed, report, database, bed.pairs_of(addresses), bed.hosts_of(addresses),
                       f"{name}: pairs as in the truth", f"{name}: hosts as in the truth")

    # Here the kernel deals connections to queues, whatever the interface has.
    check("two workers, net_af_packet", *two, "-S", bed.info["spare_source"], "--gateway-ip",
          bed.info["gateway"], device=["--vdev", f"net_af_packet0,iface={interface},qpairs=2"])
    with two_queues(bed) as there:
        if not there:
            report.note("this kernel's veth has one queue only: net_af_xdp is not checked")
            return
        # Its queues are no channels: frames on the second would go to the kernel, which resets.
        for name, flags in (("one worker", []), ("two workers", two)):
            try:
                bed.scan(bed.fresh("cores.db"), *RATE, *flags, targets=[block])
                said = "the scan went on"
            except RuntimeError as error:
                said = str(error)
            report.check(f"{name}, two queues that net_af_xdp cannot both serve: says what to do",
                         "" if "exit code 2" in said and "ethtool -L" in said else said)
