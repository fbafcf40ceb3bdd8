# SPDX-License-Identifier: Apache-2.0
"""Processes that outlive the command that started them, and can be told from all others.

A pid alone says little: once its process has ended, the kernel gives it to another. So each record
holds the pid with the process's start time, and each process leads a session of its own. The kernel
does not reuse a pid while a session bears it, so members of the session are ours even when the
leader has died. The record is written by the child before it becomes the program: there is no
moment, not even under kill -9, in which an unrecorded process of ours runs.
"""

import json
import os
import pathlib
import resource
import signal
import sys
import time
import traceback

# A socket or two for each connection in flight, on both sides of an interceptor.
OPEN_FILES = 100_000
STOP_PATIENCE_S = 3.0


def stat(pid):
    """(session, start time in clock ticks since boot), or None when there is no such process."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field, the command's name, may hold blanks and parentheses.
    fields = text.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    return int(fields[3]), int(fields[19])


def boot_id():
    return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def start(directory, name, command):
    """Starts `command` in the background; its output goes to directory/NAME.log."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        record = {"pid": os.getpid(), "start": stat("self")[1], "boot": boot_id(),
                  "command": command}
        temporary = directory / f"{name}.json.new"
        temporary.write_text(json.dumps(record), encoding="utf-8")
        temporary.rename(directory / f"{name}.json")
        log = os.open(directory / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.closerange(3, 256)
        sys.stderr = open(2, "w", closefd=False, encoding="utf-8")
        raise_file_limit()
        os.execvp(command[0], command)
    except BaseException:  # the child must never return into the parent's code
        traceback.print_exc()
    finally:
        os._exit(127)


def raise_file_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, max(hard, OPEN_FILES)))
    except ValueError:  # above the hard limit not even every root may go
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def members(record):
    """The living pids of a recorded process's session."""
    if record["boot"] != boot_id():
        return []
    leader = stat(record["pid"])
    if leader and leader[1] != record["start"]:
        return []  # the pid belongs to somebody else by now
    result = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            found = stat(entry.name)
            if found and found[0] == record["pid"] and found[1] >= record["start"]:
                result.append(int(entry.name))
    return result


def records(directory):
    result = {}
    for path in sorted(directory.glob("*.json")):
        try:
            result[path.stem] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            pass
    return result


def alive(directory):
    """{name: is it running}"""
    return {name: bool(members(record)) for name, record in records(directory).items()}


def stop_all(directory):
    """Ends all that start() recorded in `directory`; returns how many processes that were."""
    ours = records(directory).values()
    stopped = set()
    deadline = time.monotonic() + STOP_PATIENCE_S
    signal_number = signal.SIGTERM
    while left := {pid for record in ours for pid in members(record)}:
        for pid in left:
            if pid not in stopped or signal_number == signal.SIGKILL:
                try:
                    os.kill(pid, signal_number)
                except ProcessLookupError:
                    pass
        stopped |= left
        if time.monotonic() > deadline:
            if signal_number == signal.SIGKILL:
                raise RuntimeError(f"processes that cannot be killed: {sorted(left)}")
            signal_number = signal.SIGKILL
            deadline += STOP_PATIENCE_S
        time.sleep(0.05)
    return len(stopped)
