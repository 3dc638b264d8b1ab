"""A program that a test controls: each line of standard input is a JSON string of Python code.

The answer is a line of JSON: the value of the variable `result`, or a traceback.
"""
import array, ctypes, json, os, platform, queue, socket, struct, subprocess, sys, threading, traceback

SO_COOKIE, IP_TRANSPARENT, CLONE_FILES, PR_SET_PDEATHSIG = 57, 19, 0x400, 1
SYS_EXIT = {"x86_64": 60}.get(platform.machine(), 93)
libc = ctypes.CDLL(None, use_errno=True)


def new(address, reuseport=False, device=None, transparent=False, v6only=None):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuseport:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if device:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
    if transparent:
        s.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
    if v6only is not None:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6only))
    return s


def listen(port, address="127.0.0.1", backlog=64, **options):
    s = new(address, **options)
    s.bind((address, port))
    s.listen(backlog)
    return s


def connect(port, address="127.0.0.1", source=None, wait=True, **options):
    s = new(address, **options)
    if source:
        s.bind(source)
    s.settimeout(20)
    if wait:
        s.connect((address, port))
    else:
        s.setblocking(False)
        s.connect_ex((address, port))
    return s


def accept(listener):
    listener.settimeout(20)
    return listener.accept()[0]


def accept_all(listener):
    accepted = []
    listener.setblocking(False)
    while True:
        try:
            accepted.append(listener.accept()[0])
        except BlockingIOError:
            return accepted


def cookie(s):
    return struct.unpack("Q", s.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))[0]


def send(path, s):
    """Passes a descriptor to the program that receives at `path`."""
    with socket.socket(socket.AF_UNIX) as u:
        u.connect(path)
        socket.send_fds(u, [b"x"], [s.fileno()])
        u.recv(1)


class Receiver:
    def __init__(self, path):
        self.u = socket.socket(socket.AF_UNIX)
        self.u.bind(path)
        self.u.listen(8)

    def receive(self):
        u, _ = self.u.accept()
        with u:
            fds = socket.recv_fds(u, 1, 1)[1]
            u.send(b"x")
        return socket.socket(fileno=fds[0])


class Thread:
    """A thread that runs code, with a descriptor table of its own if wanted."""

    def __init__(self, own_table=False):
        self.jobs, self.done = queue.Queue(), queue.Queue()
        threading.Thread(target=self.loop, args=(own_table,), daemon=True).start()

    def loop(self, own_table):
        if own_table and libc.unshare(CLONE_FILES) != 0:
            os._exit(9)
        while True:
            try:
                exec(self.jobs.get(), globals())
                self.done.put(None)
            except BaseException:
                self.done.put(traceback.format_exc())

    def run(self, code):
        self.jobs.put(code)
        error = self.done.get()
        if error:
            raise RuntimeError(error)


def serve():
    for line in sys.stdin:
        globals()["result"] = None
        try:
            exec(json.loads(line), globals())
            print(json.dumps({"result": result}), flush=True)
        except BaseException:
            print(json.dumps({"error": traceback.format_exc()}), flush=True)
    os._exit(0)


if "--without-main-thread" in sys.argv:
    threading.Thread(target=serve).start()
    # Not Python's exit: this ends the main thread alone, and the process goes on.
    libc.syscall(SYS_EXIT, 0)
serve()
