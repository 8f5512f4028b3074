#!/usr/bin/env python3
"""A debugger's side of DBGp, for scripts/test-tools: steps through the beginning of every session, looks at all frames
and their variables each time, and lets the script run then.

dbgp.py PORT-FILE: writes the port there, and runs until it is killed. Writes the frames that it has seen to stdout.
"""
import os
import socket
import sys
import threading

STEPS = 20


def session(connection):
    stream = connection.makefile("rb")
    number = 0

    def packet():
        length = b""
        while (byte := stream.read(1)) != b"\0":
            if not byte:
                raise EOFError
            length += byte
        text = stream.read(int(length))
        stream.read(1)
        return text.decode("utf-8", "replace")

    def ask(command):
        nonlocal number
        number += 1
        name, _, rest = command.partition(" ")
        connection.sendall(f"{name} -i {number} {rest}".rstrip().encode() + b"\0")
        while True:
            reply = packet()
            if f'transaction_id="{number}"' in reply:
                return reply

    try:
        packet()
        ask("feature_set -n max_depth -v 2")
        ask("breakpoint_set -t exception -x *")
        for _ in range(STEPS):
            reply = ask("step_into")
            if 'status="break"' not in reply:
                break
            stack = ask("stack_get")
            for level in range(stack.count("<stack ")):
                ask(f"context_get -d {level}")
            if "Viaduct\\Task::run" in stack:
                print("Viaduct\\Task::run", flush=True)
        # At an exception it breaks once more; from then on nothing holds it.
        while 'status="break"' in ask("run"):
            pass
        ask("stop")
    except (EOFError, OSError):
        pass
    finally:
        connection.close()


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    with open(sys.argv[1] + ".new", "w") as file:
        file.write(str(listener.getsockname()[1]))
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=session, args=(connection,), daemon=True).start()


main()
