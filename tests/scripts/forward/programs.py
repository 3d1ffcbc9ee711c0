"""What Python programs do with an operating system: files, threads, child processes and sockets. Prints what came of it."""

import hashlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading

found = {}


def files():
    os.makedirs("a/b/c")
    for number in range(40):
        with open(f"a/b/file-{number}", "w", encoding="utf-8") as file:
            file.write("wörd " * number)
    os.symlink("../b/file-7", "a/link")
    os.link("a/b/file-8", "a/hard")
    os.rename("a/b/file-9", "a/b/c/nine")
    os.chmod("a/b/file-10", 0o600)
    os.utime("a/b/file-11", (1, 2))
    shutil.copytree("a", "copy", symlinks=True)
    walked = sorted(os.path.join(at, name) for at, _, names in os.walk("copy") for name in names)
    with tempfile.TemporaryDirectory(dir=".") as scratch, open(os.path.join(scratch, "t"), "wb") as file:
        file.truncate(5000)
        size = os.fstat(file.fileno()).st_size
    mode = os.stat("copy/b/file-10").st_mode
    refusals = []
    for act in (lambda: open("absent"), lambda: os.mkdir("a"), lambda: os.rmdir("a"), lambda: os.listdir("a/b/file-1")):
        try:
            act()
        except OSError as error:
            refusals.append(type(error).__name__)
    return len(walked), size, oct(mode), os.stat("a/hard").st_nlink, os.path.realpath("a/link")[-10:], int(os.stat("a/b/file-11").st_mtime), refusals


def threads():
    sums = [None] * 8

    def work(index):
        path = f"thread-{index}"
        for turn in range(30):
            with open(path, "a", encoding="ascii") as file:
                file.write(f"{turn}\n")
            os.stat(path)
        with open(path, "rb") as file:
            sums[index] = hashlib.sha256(file.read()).hexdigest()[:8]

    workers = [threading.Thread(target=work, args=(index,)) for index in range(len(sums))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sorted(set(sums))


def processes():
    listed = subprocess.run(["ls", "a/b/c"], capture_output=True, check=True, text=True).stdout
    counted = subprocess.run(["sh", "-c", "cat thread-* | wc -l"], capture_output=True, check=True, text=True).stdout.strip()
    child = os.fork()
    if child == 0:
        os.mkdir("by-child")
        os._exit(7)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    missing = subprocess.run([sys.executable, "-c", "import no_such_module"], capture_output=True, check=False).returncode
    return listed, counted, status, os.path.isdir("by-child"), missing


def sockets():
    server = socket.create_server(("127.0.0.1", 0))
    local = socket.socket(socket.AF_UNIX)
    local.bind("socket")
    local.listen()

    def answer(listener):
        with listener.accept()[0] as peer:
            peer.sendall(peer.recv(100).upper())

    replies = []
    for listener, address in ((server, server.getsockname()), (local, "socket")):
        helper = threading.Thread(target=answer, args=(listener,))
        helper.start()
        with socket.socket(listener.family) as client:
            client.connect(address)
            client.sendall(b"hello")
            replies.append(client.recv(100).decode())
        helper.join()
        listener.close()
    os.unlink("socket")
    return replies


def database():
    with sqlite3.connect("rows.db") as rows:
        rows.execute("create table row (number integer, name text)")
        rows.executemany("insert into row values (?, ?)", [(number, f"name {number}") for number in range(100)])
    total = rows.execute("select sum(number), count(name) from row").fetchone()
    rows.close()
    os.unlink("rows.db")
    return total


for part in (files, threads, processes, sockets, database):
    found[part.__name__] = part()
print(json.dumps(found, indent=1))
