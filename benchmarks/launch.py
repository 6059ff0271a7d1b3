"""Run a command and write what it used into the file named first, as JSON.

A process of its own because Linux counts the memory of who starts a program among that program's
peak: this one is small, where a benchmark that keeps a million events' answer is not.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main(report: str, command: list[str]) -> int:
    started = time.perf_counter()
    process = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    wall_s = time.perf_counter() - started
    with open(report, "w") as file:
        cpu_s = usage.ru_utime + usage.ru_stime
        json.dump({"wall_s": wall_s, "cpu_s": cpu_s, "peak_bytes": usage.ru_maxrss * 1024}, file)
    exit_code = os.waitstatus_to_exitcode(status)
    return exit_code if exit_code >= 0 else 128 - exit_code  # as a shell tells a signal


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
