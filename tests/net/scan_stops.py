# SPDX-License-Identifier: Apache-2.0
"""Scans that do not come to their end: killed or interrupted, and gone on with."""

import collections
import random
import re
import signal
import time

from scan_bed import HERE, difference, inside, last_lines, run, without_times
from scan_cases import HOST_KEY, PAIR_KEY, check_findings

# Twenty more, at a country in memory: tests/sim/test_simulated.
KILLS = 6
SEED = 1
# The same orders in each scan, with short rests, as there are many scans; so many SYNs, and no
# faster, that a busy machine does not lose all of a pair's: that would be one try more.
FLAGS = ["-e", "1", "-c", "2", "-P", "3"]
KILL_FLAGS = ["-r", "5000", *FLAGS]
# Slow enough for the probes of 3,080 pairs not to be over in the second between two status lines.
INTERRUPT_FLAGS = ["-r", "4000", *FLAGS]
COOLDOWN_S = 2
# For a scan to notice, write and close, on a busy machine.
ENDING_S = 6

KINDS = {"pairs": PAIR_KEY, "hosts": HOST_KEY, "interceptors": ("spki_sha256",),
         "certs": ("sha256",)}


def forge_all_once(bed):
    """Lets the interceptor forge every leaf, one after the other.

    It keeps what it forged; but two connections that want the same new leaf at once get two, and
    then even two undisturbed scans differ.
    """
    names = bed.info["forged_names"][:1]
    lines = "".join(f"{row['host']} {row['sni']}\n" for row in bed.pair_truth
                    if row["verdict"] == "injected" and row["sni"] in names)
    wishes = bed.fresh("wishes")
    wishes.write_text(lines)
    done = run(inside("sh", "-c", f"exec /usr/bin/python3 -B {HERE}/handshakes.py sweep 50 "
                                  f"<{wishes}"))
    if done.returncode:
        raise RuntimeError(f"handshakes: {last_lines(done.stderr)}")


def exports(bed, database):
    return {kind: [without_times(row) for row in bed.export(database, kind)] for kind in KINDS}


def stage_of(bed, database):
    if not (database / "CURRENT").exists():
        return "before"
    rounds = bed.export(database, "rounds")
    return rounds[-1]["stage"] if rounds else "before"


def kill(bed, report):
    """kill -9 again and again, resumed each time: the same export as an undisturbed scan's."""
    forge_all_once(bed)
    undisturbed = bed.fresh("undisturbed.db")
    duration_s = bed.scan(undisturbed, *KILL_FLAGS).took_s
    check_findings(bed, report, undisturbed, bed.pair_truth, bed.host_truth,
                   "undisturbed: all pairs as in the truth", "undisturbed: hosts as in the truth")
    wanted = exports(bed, undisturbed)

    # A moment in each part of the duration, counted from each start: a scan that is gone on
    # with may be over before, and then the next one, a new one, is killed then.
    generator = random.Random(SEED)
    moments = [(index + generator.random()) / KILLS * duration_s for index in range(KILLS)]
    generator.shuffle(moments)
    stages = collections.Counter()
    scans = kills = 0
    while kills < KILLS or scans == 0:
        database = bed.fresh("killed.db")
        scans += 1
        killed_at = []
        while True:
            resumed = ["--resume"] if bed.unfinished(database) else []
            scan = bed.start(*bed.arguments(database), *KILL_FLAGS, *resumed)
            if kills == KILLS:
                code = scan.wait()
                break
            try:
                code = scan.wait(moments[kills])
                break
            except TimeoutError:
                scan.signal(signal.SIGKILL)
                scan.wait(10)
            kills += 1
            stage = stage_of(bed, database)
            stages[stage] += 1
            killed_at.append(f"{scan.took_s:.1f} s ({stage})")
            if stage == "done":
                # It was closing, and there is nothing to go on with.
                code = 0
                break
        report.note(f"scan {scans} was killed after {', '.join(killed_at) or 'nothing'}")
        report.check(f"scan {scans}, killed {len(killed_at)} times: ends well",
                     f"exit {code}: {last_lines(scan.stderr())}" if code else "")
        if code:
            return
        for kind, seen in exports(bed, database).items():
            report.check(f"scan {scans}: {kind} as if undisturbed",
                         difference(seen, wanted[kind], KINDS[kind], kind))
    report.note(f"undisturbed {duration_s:.0f} s; killed in {dict(stages)}")
    report.equal("the XDP filter is gone", bed.filter_attached(), False)


def interrupt(bed, report):
    """Ctrl-C ends a scan cleanly, a second one at once; --resume goes on."""
    for times, name, patience_s in ((1, "once", COOLDOWN_S + ENDING_S), (2, "twice", ENDING_S)):
        database = bed.fresh(f"interrupted-{name}.db")
        scan = bed.start(*bed.arguments(database), *INTERRUPT_FLAGS)
        scan.wait_for(r"\nprobe ")
        asked = time.monotonic()
        bed.interrupt(scan, times)
        code = scan.wait(60)
        took_s = time.monotonic() - asked
        report.equal(f"{name}: exit code", code, 130)
        report.check(f"{name}: ends in time",
                     "" if took_s <= patience_s else f"{took_s:.1f} s, not {patience_s}")
        said = re.findall(r"go on with: .*", scan.stderr())
        report.check(f"{name}: says how to go on",
                     "" if said and "--resume" in said[0] else last_lines(scan.stderr()))
        report.equal(f"{name}: the XDP filter is gone", bed.filter_attached(), False)
        report.equal(f"{name}: the round is unfinished", bed.unfinished(database), True)
        bed.scan(database, *INTERRUPT_FLAGS, "--resume")
        check_findings(bed, report, database, bed.pair_truth, bed.host_truth,
                       f"{name}, resumed: all pairs as in the truth",
                       f"{name}, resumed: all hosts as in the truth")
