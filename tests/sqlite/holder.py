"""A process that holds the lock of writers until it is killed, stopped or told to go on: LOCK."""

from __future__ import annotations

import fcntl
import os
import sys

with open(os.open(sys.argv[1], os.O_RDWR), "rb") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
