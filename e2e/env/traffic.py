"""Listeners that say which of them got a connection and where it was bound for, and the calls to them: see traffic.ts.

traffic.py UID GID listen '[{"name": …, "port": …, "protocol": "tcp" | "udp", "transparent": bool,
  "loopback": bool}]'
    prints {} when all listen, and ends when its stdin does
traffic.py UID GID call '[{"host": …, "port": …, "protocol": …, "source": …, "mark": …}]'
    prints the list of answers
"""
import json
import os
import socket
import sys
import threading

ORIGINAL_DST = 80
TRANSPARENT = {socket.AF_INET: (socket.SOL_IP, 19), socket.AF_INET6: (41, 75)}
LEVEL = {socket.AF_INET: socket.SOL_IP, socket.AF_INET6: 41}
MARK = 36


def family_of(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def original_destination(connection, family):
    """What the connection was bound for before it was redirected; None if it was not."""
    try:
        raw = connection.getsockopt(LEVEL[family], ORIGINAL_DST, 28)
    except OSError:
        return None
    port = int.from_bytes(raw[2:4], "big")
    address = raw[4:8] if family == socket.AF_INET else raw[8:24]
    return [socket.inet_ntop(family, address), port]


def answer_tcp(connection, peer, family, listener):
    with connection:
        local = connection.getsockname()[:2]
        told = {"name": listener["name"], "peer": peer[0], "local": list(local)}
        told["original"] = original_destination(connection, family)
        if listener.get("transparent"):
            # As Envoy's original_src does: to the application from the caller's own address, with the mark of the sidecar.
            told["application"] = call({"host": local[0], "port": local[1], "source": peer[0], "mark": 1337})
        connection.sendall(json.dumps(told).encode() + b"\n")


def listen(listener):
    # A datagram redirected to a loopback address has to be answered from there, as a resolver of the sidecar's does.
    hosts = ("127.0.0.1", "::1") if listener.get("loopback") else ("0.0.0.0", "::")
    for family, host in zip((socket.AF_INET, socket.AF_INET6), hosts):
        udp = listener.get("protocol") == "udp"
        try:
            server = socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
        except OSError:
            continue
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if listener.get("transparent"):
            server.setsockopt(*TRANSPARENT[family], 1)
        server.bind((host, listener["port"]))

        def take(server=server, family=family):
            if udp:
                while True:
                    _, peer = server.recvfrom(512)
                    server.sendto(json.dumps({"name": listener["name"], "peer": peer[0]}).encode(), peer)
            server.listen(64)
            ready.release()
            while True:
                threading.Thread(target=answer_tcp, args=(*server.accept(), family, listener), daemon=True).start()

        threading.Thread(target=take).start()
        if not udp:
            ready.acquire()


def call(wanted):
    family = family_of(wanted["host"])
    udp = wanted.get("protocol") == "udp"
    with socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as client:
        client.settimeout(4)
        try:
            if "mark" in wanted:
                client.setsockopt(socket.SOL_SOCKET, MARK, wanted["mark"])
                client.setsockopt(*TRANSPARENT[family], 1)
            if "source" in wanted:
                client.bind((wanted["source"], 0))
            client.connect((wanted["host"], wanted["port"]))
            if udp:
                client.send(b"?")
                return json.loads(client.recv(65_536))
            received = b""
            while chunk := client.recv(65_536):
                received += chunk
            return json.loads(received)
        except (OSError, ValueError) as error:
            return {"name": f"{type(error).__name__}: {error}"}


ready = threading.Semaphore(0)
uid, gid, command, argument = sys.argv[1:5]
# Here and not by setpriv: the interpreter may be where only root can read.
os.setgroups([])
os.setgid(int(gid))
os.setuid(int(uid))
if command == "listen":
    for each in json.loads(argument):
        listen(each)
    print("{}", flush=True)
    sys.stdin.read()
    os._exit(0)
else:
    calls = json.loads(argument)
    answers = [None] * len(calls)

    def run(index):
        answers[index] = call(calls[index])

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(answers))
