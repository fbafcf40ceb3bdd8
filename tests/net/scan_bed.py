# SPDX-License-Identifier: Apache-2.0
"""A testbed with a steppe in it: what the cases of test_scan use to scan, stop, look and compare.

Whatever is started here is entered in a list and ended by end_all(), so that nothing outlives the
test, however it ends. Every wait has an end, too.
"""

import collections
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
TESTBED = HERE / "testbed"
NAMESPACE = "steppe-scanner"
COMMAND_PATIENCE_S = 60
# A whole scan of the full testbed takes 100 s on a busy machine with two cores.
SCAN_PATIENCE_S = 600
# All but the trace, which takes its time, and has cases of its own.
UNTRACED = ["--stages", "discover,baseline,probe,confirm"]
# Of the rows of an export: when things were seen, and nothing else.
TIMES = {"first_seen", "last_seen", "time"}

running = []


def end_all():
    for process in running:
        if process.poll() is None:
            # With whatever it started: it leads a session.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    running.clear()


def run(command, patience_s=COMMAND_PATIENCE_S):
    """A command to its end; its exit code is the caller's to look at."""
    return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=patience_s)


def succeed(command, patience_s=COMMAND_PATIENCE_S):
    """What a command that must work wrote."""
    done = run(command, patience_s)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}: "
                           f"{last_lines(done.stderr)}")
    return done.stdout


def last_lines(text, count=3):
    return " | ".join(text.strip().splitlines()[-count:]) or "(it said nothing)"


def inside(*command, namespace=NAMESPACE):
    # `ip netns exec` becomes the command, so signals for the one reach the other.
    return ["ip", "netns", "exec", namespace, *map(str, command)]


class Background:
    """A command that runs while the test looks on; what it writes goes to files."""

    def __init__(self, command, directory, name):
        self.output, self.errors = directory / f"{name}.stdout", directory / f"{name}.stderr"
        with open(self.output, "wb") as output, open(self.errors, "wb") as errors:
            # A session of its own: Ctrl-C in the terminal is the test's to pass on, or not.
            self.process = subprocess.Popen([str(word) for word in command], stdout=output,
                                            stderr=errors, stdin=subprocess.DEVNULL,
                                            start_new_session=True)
        running.append(self.process)
        self.begun = time.monotonic()
        self.took_s = None

    def stderr(self):
        return self.errors.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, pattern, patience_s=SCAN_PATIENCE_S):
        """Until stderr holds the pattern; raises if it ends before."""
        deadline = time.monotonic() + patience_s
        while not re.search(pattern, self.stderr()):
            if self.process.poll() is not None:
                raise RuntimeError(f"ended with exit code {self.process.returncode} before it said "
                                   f"'{pattern}': {last_lines(self.stderr())}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {patience_s} s for '{pattern}': "
                                   f"{last_lines(self.stderr())}")
            time.sleep(0.05)

    def wait(self, patience_s=SCAN_PATIENCE_S):
        """The exit code; TimeoutError if there is none in time."""
        try:
            code = self.process.wait(timeout=patience_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"still running after {patience_s:.0f} s: "
                               f"{last_lines(self.stderr())}") from None
        self.took_s = time.monotonic() - self.begun
        return code

    def signal(self, number):
        self.process.send_signal(number)


class Bed:
    """The testbed from `up` to `down`, and scans in it; `flags` are more of `up`."""

    count = 0  # of fresh(), over all testbeds: they share a directory

    def __init__(self, steppe, trusted, work, flags=()):
        self.steppe, self.work = steppe, work
        # What somebody else left would only make `up` refuse.
        succeed([TESTBED, "down"])
        succeed([TESTBED, "up", "--trusted", trusted, *flags], 180)
        self.info = json.loads(succeed([TESTBED, "info"]))
        self.pair_truth = json_lines(succeed([TESTBED, "truth"]))
        self.host_truth = json_lines(succeed([TESTBED, "truth", "--hosts"]))
        self.trace_truth = json_lines(succeed([TESTBED, "truth", "--traces"]))

    @staticmethod
    def down():
        succeed([TESTBED, "down"])

    @contextlib.contextmanager
    def loss(self, percent):
        succeed([TESTBED, "loss", percent])
        try:
            yield
        finally:
            succeed([TESTBED, "loss", 0])

    def fresh(self, name):
        """A path in the test's directory where nothing is yet."""
        Bed.count += 1
        return self.work / f"{Bed.count:03}-{name}"

    def arguments(self, database, targets=None, device=None, names=None, roots=None, traced=False):
        """A scan of the whole testbed, or of some of it, as `testbed info` describes it."""
        words = ["scan", *(device or ["-i", self.info["interface"]]),
                 *(targets or self.info["targets"]), "--root-cas", roots or self.info["root_cas"],
                 "--db", database, *([] if traced else UNTRACED)]
        for control in self.info["controls"]:
            words += ["--control-sni", control]
        for name in names or []:
            words += ["--sni", name]
        return words if names else words + ["--sni-file", self.info["sni_file"]]

    def start(self, *arguments):
        return Background(inside(self.steppe, *arguments), self.work, f"{self.fresh('scan').name}")

    def scan(self, database, *flags, patience_s=SCAN_PATIENCE_S, **what):
        """A scan to its end, which must be a good one. Returns it, for what it said."""
        return self.finish(self.start(*self.arguments(database, **what), *flags), patience_s)

    @staticmethod
    def finish(scan, patience_s=SCAN_PATIENCE_S):
        code = scan.wait(patience_s)
        if code:
            raise RuntimeError(f"the scan ended with exit code {code}: {last_lines(scan.stderr())}")
        return scan

    def export(self, database, kind):
        return json_lines(succeed([self.steppe, "export", kind, "--db", database], 120))

    def unfinished(self, database):
        """Whether `--resume` has something to go on with."""
        if not (database / "CURRENT").exists():
            return False
        rounds = self.export(database, "rounds")
        return bool(rounds) and rounds[-1]["ended"] is None

    def filter_attached(self):
        """Whether an XDP program is on the scanner's interface."""
        return "xdp" in succeed(["ip", "-n", NAMESPACE, "-d", "link", "show",
                                 self.info["interface"]])

    def interrupt(self, scan, times=1):
        for _ in range(times):
            scan.signal(signal.SIGINT)
            # Two signals that are pending at once are one.
            time.sleep(0.3)

    def pairs_of(self, hosts):
        return [row for row in self.pair_truth if row["host"] in hosts]

    def hosts_of(self, hosts):
        return [row for row in self.host_truth if row["host"] in hosts]

    def traces_of(self, hosts):
        return [row for row in self.trace_truth if row["host"] in hosts]


def json_lines(text):
    return [json.loads(line) for line in text.splitlines()]


def without_times(value):
    """An exported row less all that says when."""
    if isinstance(value, dict):
        return {key: without_times(part) for key, part in value.items() if key not in TIMES}
    if isinstance(value, list):
        return [without_times(part) for part in value]
    return value


def difference(seen, wanted, key_fields, what):
    """Why two lists of rows differ, in words; "" if they do not.

    Rows are told apart by key_fields. A seen row may have fields that the wanted one has not. Rows
    that come twice are surplus.
    """
    def key(row):
        return tuple(row[field] for field in key_fields)

    found, surplus = {}, []
    for row in seen:
        if key(row) in found:
            surplus.append(row)
        found[key(row)] = row
    expected = {key(row): row for row in wanted}
    surplus += [row for name, row in found.items() if name not in expected]
    missing = [row for name, row in expected.items() if name not in found]
    wrong = []
    for name, row in expected.items():
        if name in found:
            off = {field: (found[name].get(field), value) for field, value in row.items()
                   if found[name].get(field) != value}
            if off:
                wrong.append((name, off))
    if not (missing or wrong or surplus):
        return ""
    lines = [f"of {len(expected)} {what} {len(missing)} missing, {len(wrong)} wrong, "
             f"{len(surplus)} surplus"]
    lines += [f"missing: {json.dumps(row)}" for row in missing[:10]]
    lines += [f"wrong: {' '.join(map(str, name))}: " + ", ".join(
        f"{field} is {is_now!r}, not {should!r}" for field, (is_now, should) in off.items())
        for name, off in wrong[:10]]
    lines += [f"surplus: {json.dumps(row)[:300]}" for row in surplus[:10]]
    # Ten examples tell little of a thousand: which fields are off, and how, does.
    kinds = collections.Counter(f"{field} {is_now!r} for {should!r}" for _, off in wrong
                                for field, (is_now, should) in off.items()
                                if isinstance(should, (str, bool)))
    lines += [f"{count} x {kind}" for kind, count in kinds.most_common(5)] if wrong else []
    return "\n    ".join(lines)
