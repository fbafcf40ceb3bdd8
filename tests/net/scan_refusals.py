# SPDX-License-Identifier: Apache-2.0
"""What the operator got wrong, or the machine does not allow: one line, exit code 2, no trace."""

import hashlib
import os
import re

from rocksdb_log import replace_in_log
from scan_bed import inside, last_lines, run
from scan_cases import NOBODY, RATE, varied_block

NOBODY_ID = 65534
SILENT_NEIGHBOUR = "198.18.0.77"
# A device that swallows everything: for a scan beside the one that has the interface.
NULL_DEVICE = ["--vdev", "net_null0", "-S", "198.18.0.9", "-G", "02:00:00:00:00:01"]
KEPT = "what was here before\n"
# The key and the value of the version record (engine/store/schema.h).
VERSION_KEY, VERSION_BYTES = b"mformat version", 4


class Attempt:
    """A scan that should be refused, with places of its own for all that it could write."""

    def __init__(self, bed, report, name):
        self.bed, self.report, self.name = bed, report, name
        self.directory = bed.fresh("refused")
        self.directory.mkdir()
        self.database = self.directory / "scan.db"
        self.status = self.directory / "status.csv"
        # Two files that are there already, and must stay as they are.
        self.kept = [self.directory / "scan.json", self.directory / "scan.log"]
        for path in self.kept:
            path.write_text(KEPT, encoding="ascii")
        for path in (self.directory, *self.kept):
            os.chown(path, NOBODY_ID, NOBODY_ID)

    def file(self, name, text):
        path = self.bed.fresh(name)
        path.write_text(text, encoding="ascii")
        return path

    def run(self, pattern, *flags, user=(), database=None, **what):
        metadata, log = self.kept
        done = run(inside(*user, self.bed.steppe,
                          *self.bed.arguments(database or self.database, **what), "-m", metadata,
                          "-l", log, "-u", self.status, *flags))
        good = (done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
                and re.search(pattern, done.stderr))
        self.report.check(f"{self.name}: exit code 2, and one line that says it", "" if good else
                          f"exit {done.returncode}, stdout {done.stdout[-200:]!r}, "
                          f"stderr {done.stderr[-600:]!r}, wanted {pattern!r}")
        touched = [path.name for path in self.kept if path.read_text() != KEPT]
        touched += [path.name for path in self.directory.iterdir() if path not in self.kept]
        self.report.check(f"{self.name}: writes nothing", f"touched {touched}" if touched else "")


def bad_input(bed, report):
    """Mistakes on the command line, in files, and a machine that is not ready."""
    def attempt(name, pattern, *flags, **what):
        Attempt(bed, report, name).run(pattern, *flags, **what)

    attempt("no such interface", "scan9.*scan0", device=["-i", "scan9"])
    attempt("no such country", "XX", "--country", "XX")
    attempt("rate 0", "rate", "-r", "0")
    attempt("no host name", "bad_name!", "--sni", "bad_name!")
    attempt("no root store", "/nowhere/roots.pem", roots="/nowhere/roots.pem")
    attempt("a gateway that does not answer", re.escape(SILENT_NEIGHBOUR), "--gateway-ip",
            SILENT_NEIGHBOUR)

    one = Attempt(bed, report, "a file of names without names")
    names = one.file("names.txt", "# none yet\n\n")
    one.run(re.escape(str(names)), "--sni-file", names)

    one = Attempt(bed, report, "a broken line in a blocklist")
    blocklist = one.file("block.txt", "# ours\n198.19.0.0/30\n198.19.0.300/30\n")
    one.run(re.escape(f"{blocklist}:3"), "-b", blocklist)

    for text, name in (("# no roots here\n", "a root store without certificates"),
                       ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                        "a root store of broken certificates")):
        one = Attempt(bed, report, name)
        roots = one.file("roots.pem", text)
        one.run(re.escape(str(roots)), roots=roots)

    Attempt(bed, report, "no permission for the interface").run(
        "permission.*" + bed.info["interface"], user=NOBODY)
    report.equal("the XDP filter is gone", bed.filter_attached(), False)


def contents(directory):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(directory.iterdir())}


def in_use(bed, report):
    """An interface and a database that another scan has, and one of another format version."""
    database = bed.fresh("in-use.db")
    # Slow enough to last while the others are refused.
    scan = bed.start(*bed.arguments(database, targets=[varied_block(bed)[0]]), "-r", "20")
    scan.wait_for(r"\ndiscover ")
    one = Attempt(bed, report, "an interface in use")
    one.run("another scan is using " + bed.info["interface"])
    one = Attempt(bed, report, "a database in use")
    one.run(re.escape(str(database)), device=NULL_DEVICE, database=database)
    one = Attempt(bed, report, "a database in use, to go on with")
    one.run(re.escape(str(database)) + " is in use", "--resume", device=NULL_DEVICE,
            database=database, targets=[varied_block(bed)[0]])
    report.check("the scan that had them goes on", last_lines(scan.stderr())
                 if scan.process.poll() is not None else "")
    bed.interrupt(scan, 2)
    report.equal("and ends as it is told", scan.wait(30), 130)

    # The oldest log of a database begins with its version.
    log = min(database.glob("[0-9]*.log"))
    count = replace_in_log(log, VERSION_KEY, VERSION_BYTES, (99).to_bytes(VERSION_BYTES, "big"))
    report.equal("the version record is there once", count, 1)
    before = contents(database)
    for name, flags in (("another format version", []),
                        ("another format version, to go on with", ["--resume"])):
        Attempt(bed, report, name).run("99", *flags, database=database)
    report.equal("another format version: the database is as before", contents(database), before)
