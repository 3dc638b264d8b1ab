"""Runs a command whose system calls are refused, by a seccomp filter: refuse.py RULE... -- COMMAND

A rule is `socket=ERRNO` (netlink sockets), `after-3.10=ERRNO` (system calls that Linux 3.10 does
not have), or the name of one of CALLS and an error.
"""
import ctypes, errno, os, platform, struct, sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
AF_NETLINK = 16
# Numbers of calls, and the first of those that came after Linux 3.10 (finit_module was the last).
CALLS, AFTER_3_10 = {
    "x86_64": ({"socket": 41, "kcmp": 312, "statx": 332}, 314),
    "aarch64": ({"socket": 198, "kcmp": 272, "statx": 291}, 274),
}[platform.machine()]


def step(code, number, yes=0, no=0):
    return struct.pack("=HBBI", code, yes, no, number)


def steps(rule):
    name, error = rule.split("=")
    refuse = step(RETURN, ERRNO | getattr(errno, error))
    # At 0 of struct seccomp_data is the call's number, at 16 the low half of its first argument.
    if name == "after-3.10":
        return [step(LOAD, 0), step(AT_LEAST, AFTER_3_10, 0, 1), refuse]
    test = [step(LOAD, 0), step(EQUAL, CALLS[name], 0, 3 if name == "socket" else 1)]
    if name == "socket":
        test += [step(LOAD, 16), step(EQUAL, AF_NETLINK, 0, 1)]
    return test + [refuse]


rules, command = sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :]
program = b"".join(b"".join(steps(rule)) for rule in rules) + step(RETURN, ALLOW)
text = ctypes.create_string_buffer(program, len(program))
header = ctypes.create_string_buffer(struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(text)))
libc = ctypes.CDLL(None, use_errno=True)
for arguments in [(PR_SET_NO_NEW_PRIVS, 1), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header)]:
    if libc.prctl(*arguments, *[0] * (5 - len(arguments))) != 0:
        sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
os.execvp(command[0], command)
