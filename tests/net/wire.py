# SPDX-License-Identifier: Apache-2.0
"""Two network namespaces without names, and a veth between them, for a program of its own.

The program runs itself again in the one (in_namespaces), and keeps the other by a process that
does nothing (Wire). Whatever they start ends with them, also under kill -9, and the namespaces with
that.
"""

import os
import pathlib
import signal
import subprocess
import sys
import time

from scan_bed import last_lines, succeed

INSIDE = "STEPPE_IN_NAMESPACES"  # set: this process is in its own
# There on every Debian; a file system of our own hides it from us, and us from others.
WORK = pathlib.Path("/mnt")
INTERFACE, FAR_INTERFACE = "scan0", "far0"
READY_PATIENCE_S = 10


def in_namespaces(main):
    """main() in namespaces of its own, on an empty WORK; returns the exit code."""
    if INSIDE in os.environ:
        succeed(["mount", "-t", "tmpfs", "-o", "mode=755", "steppe", WORK])
        return main()
    # Children end with their parent, and the namespaces with them, also under kill -9.
    child = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--pid", "--fork", "--kill-child",
         "--mount-proc", sys.executable, *sys.argv], env={**os.environ, INSIDE: "1"})
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: child.kill())
    return child.wait()


class Wire:
    """INTERFACE here, with `source`; FAR_INTERFACE beyond, with `gateway`, which is our way out.

    Both addresses are of one /24. IPv6 is off on both ends, which carry what is sent and no more.
    """

    def __init__(self, source, gateway):
        self.started = []
        self.holder = self.start(["unshare", "--net", "sleep", "infinity"], "holder").pid
        ours = os.readlink("/proc/self/ns/net")
        wait_until(lambda: os.readlink(f"/proc/{self.holder}/ns/net") != ours, "a namespace")
        succeed(["ip", "link", "add", INTERFACE, "type", "veth", "peer", "name", FAR_INTERFACE,
                 "netns", self.holder])
        for here, interface, address in (([], INTERFACE, source),
                                         (self.beyond(), FAR_INTERFACE, gateway)):
            # Here only: NSS's selfserv binds to IPv6.
            succeed([*here, "sysctl", "-q", f"net.ipv6.conf.{interface}.disable_ipv6=1"])
            # veth leaves checksums and segmentation to hardware that is not there.
            succeed([*here, "ethtool", "-K", interface, "tx", "off", "tso", "off", "gso", "off",
                     "gro", "off"])
            succeed([*here, "ip", "address", "add", f"{address}/24", "dev", interface])
            for each in ("lo", interface):
                succeed([*here, "ip", "link", "set", each, "up"])
        succeed(["ip", "route", "add", "default", "via", gateway])

    def beyond(self, *command):
        """A command for the far namespace."""
        return ["nsenter", f"--net=/proc/{self.holder}/ns/net", *map(str, command)]

    def thread_far_end(self):
        """Lets a kernel thread receive there, on whatever core is free, as another machine would.

        Else the core that sends a frame also receives it, on behalf of who sends. What comes faster
        than the thread takes it is lost.
        """
        # GRO is what makes a veth use NAPI, and NAPI has threads.
        succeed(self.beyond("ethtool", "-K", FAR_INTERFACE, "gro", "on"))
        threaded = f"/sys/class/net/{FAR_INTERFACE}/threaded"
        succeed(self.beyond("unshare", "--mount", "sh", "-c",
                            f"mount -t sysfs sysfs /sys && echo 1 >{threaded}"))

    def answer_for(self, *networks):
        """Makes the far end's kernel the host of all their addresses."""
        for network in networks:
            succeed(self.beyond("ip", "route", "add", "local", network, "dev", "lo"))

    def start(self, command, name, **more):
        """Runs a command in the background; what it says goes to WORK/NAME.log."""
        with open(WORK / f"{name}.log", "wb") as log:
            process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, **more)
        self.started.append((process, name))
        return process

    def listening(self):
        """The TCP ports that somebody listens on at the far end."""
        lines = succeed(self.beyond("ss", "-Hltn")).splitlines()
        return {int(line.split()[3].rpartition(":")[2]) for line in lines}

    def wait_for_ports(self, ports):
        """Until all of them are listened on; raises when something that was started has ended."""
        def ready():
            for process, name in self.started:
                if process.poll() is not None:
                    said = (WORK / f"{name}.log").read_text(errors="replace")
                    raise RuntimeError(f"{process.args} ended at once: {last_lines(said)}")
            return ports <= self.listening()

        wait_until(ready, f"somebody to listen on {sorted(ports)}")


def wait_until(holds, what):
    deadline = time.monotonic() + READY_PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {READY_PATIENCE_S} s for {what}")
        time.sleep(0.05)
