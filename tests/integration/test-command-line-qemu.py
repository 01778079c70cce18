#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: 2026 The snapshotd developers
"""Starts QEMU with each golden argument vector and asks it whether that is the machine meant.

The vectors are what test-command-line holds the code to; only their paths are changed here.
"""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

import qs_tap

DATA = pathlib.Path(__file__).resolve().parent.parent / "data" / "command-line"
TIMEOUT = 60

# drivers of protocols that QEMU may have been built without, and servers that are not here
NOT_STARTED = {"network"}

DISK_BYTES = 16 * 1024 * 1024
FLOPPY_BYTES = 1474560
FLASH_BYTES = 2 * 1024 * 1024


class Monitor:
    """One QMP connection: QEMU is given a socket that listens already, so nobody waits for it."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(path)
        self.file = self.socket.makefile("rw", encoding="utf-8")

    def greet(self):
        self.file.readline()
        self.command("qmp_capabilities")

    def command(self, name, **arguments):
        self.file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            reply = json.loads(self.file.readline())
            if "event" in reply:
                continue
            if "error" in reply:
                raise RuntimeError(f"{name}: {reply['error']['desc']}")
            return reply["return"]

    def close(self):
        self.listener.close()
        self.file.close()
        self.socket.close()


def objects(words, option):
    """The JSON values of one option."""
    return [json.loads(words[i + 1]) for i, word in enumerate(words)
            if word == option and words[i + 1].startswith("{")]


def write_kernel(path):
    """What is enough of a header for QEMU to take it for a kernel."""
    image = bytearray(64 * 1024)
    image[0x1F1] = 4
    image[0x1FE:0x200] = b"\x55\xaa"
    image[0x202:0x206] = b"HdrS"
    image[0x206:0x208] = (0x20C).to_bytes(2, "little")
    image[0x211] = 1
    image[0x22C:0x230] = (0x37FFFFFF).to_bytes(4, "little")
    pathlib.Path(path).write_bytes(image)


def write_raw(path, size):
    # a comma ends nothing, a slash is one
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.truncate(size)


def image_size(node):
    if node.startswith("snapd-pflash"):
        return FLASH_BYTES
    return FLOPPY_BYTES if node.startswith("snapd-fd") else DISK_BYTES


def write_images(words):
    nodes = {node["node-name"]: node for node in objects(words, "-blockdev")}
    for name, node in nodes.items():
        if "filename" not in node:
            continue
        image = nodes[name[:-len("-f")]]
        if image["driver"] == "raw":
            write_raw(node["filename"], image_size(name))
            continue
        command = ["qemu-img", "create", "-q", "-f", image["driver"]]
        if image["backing"]:
            below = nodes[image["backing"]]
            command += ["-u", "-b", nodes[below["file"]]["filename"], "-F", below["driver"]]
        subprocess.run(command + [node["filename"], str(DISK_BYTES)], check=True, timeout=TIMEOUT)


class CommandLine(unittest.TestCase):
    def setUp(self):
        # sockets have short names; direct I/O needs a real file system
        self.sockets = tempfile.mkdtemp(prefix="snapd-")
        self.images = tempfile.mkdtemp(prefix="command-line-", dir=os.getcwd())
        self.addCleanup(shutil.rmtree, self.sockets)
        self.addCleanup(shutil.rmtree, self.images)

    def words(self, name):
        text = (DATA / f"{name}.args").read_text(encoding="utf-8")
        text = re.sub(r"/srv/images/([^\n]*?\.sock)", self.sockets + r"/\1", text)
        text = text.replace("/srv/images/", self.images + "/")
        # no block device is made for this
        text = text.replace('"host_device"', '"file"')
        # a port that another test has
        text = re.sub(r"vnc=127\.0\.0\.1:\d+$", "vnc=127.0.0.1:0,to=99", text, flags=re.M)
        return text.split("\n")

    def prepare(self, words):
        write_images(words)
        for i, word in enumerate(words):
            if word == "-kernel":
                write_kernel(words[i + 1])
            elif word == "-initrd":
                write_raw(words[i + 1], 4096)
        peer = socket.socket(socket.AF_UNIX)
        peer.bind(self.sockets + "/peer.sock")
        peer.listen()
        self.addCleanup(peer.close)

    def serve_nbd(self):
        image = self.images + "/export.img"
        path = self.sockets + "/nbd.sock"
        write_raw(image, DISK_BYTES)
        subprocess.run(["qemu-nbd", "--fork", "--persistent", "-x", "one,two", "-f", "raw",
                        "-k", path, "--pid-file", self.images + "/nbd.pid", image],
                       check=True, timeout=TIMEOUT, stderr=subprocess.DEVNULL)
        pid = int(pathlib.Path(self.images + "/nbd.pid").read_text(encoding="ascii"))
        self.addCleanup(os.kill, pid, 15)

    def start(self, words):
        errors = open(self.images + "/stderr", "w+", encoding="utf-8")
        self.addCleanup(errors.close)
        monitor = Monitor(self.sockets + "/qmp.sock")
        self.addCleanup(monitor.close)
        listener = monitor.listener.fileno()
        words = [re.sub(r"^(socket,id=snapd-qmp),path=.*(,server=on.*)$",
                        rf"\1,fd={listener}\2", word) for word in words]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=errors, pass_fds=[listener])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        # the connection ends with QEMU only if nobody else listens
        monitor.listener.close()
        try:
            monitor.greet()
        except (OSError, ValueError):
            errors.seek(0)
            self.fail("QEMU has ended: " + errors.read())
        return process, monitor

    def check_identity(self, words, monitor):
        name = words[words.index("-name") + 1]
        name = name.removeprefix("guest=").removesuffix(",debug-threads=on").replace(",,", ",")
        self.assertEqual(monitor.command("query-name"), {"name": name})
        self.assertEqual(monitor.command("query-uuid")["UUID"], words[words.index("-uuid") + 1])
        self.assertEqual(monitor.command("query-status")["status"], "prelaunch")

    def check_disks(self, words, monitor):
        found = {re.search(r"disk-[a-z]+", block["qdev"]).group(0): block.get("inserted")
                 for block in monitor.command("query-block")
                 if "disk-" in block.get("qdev", "")}
        expected = [device for device in objects(words, "-device")
                    if device["id"].startswith("disk-")]
        self.assertEqual(set(found), {device["id"] for device in expected})
        nodes = {node["node-name"]: node for node in objects(words, "-blockdev")}
        for device in expected:
            inserted = found[device["id"]]
            if "drive" not in device:
                self.assertIsNone(inserted)
                continue
            image = nodes[device["drive"]]
            self.assertEqual(inserted["node-name"], device["drive"])
            self.assertEqual(inserted["drv"], image["driver"])
            self.assertEqual(inserted["ro"], image["read-only"])
            self.assertEqual(inserted["backing_file_depth"], self.depth(nodes, image))
            if "filename" in nodes[image["file"]]:
                self.assertEqual(inserted["image"]["filename"], nodes[image["file"]]["filename"])

    def depth(self, nodes, image):
        return 1 + self.depth(nodes, nodes[image["backing"]]) if image.get("backing") else 0

    def check_pci(self, words, monitor):
        # what is behind a bridge is listed only once a firmware has set it up
        listed = {device["qdev_id"]: (device["slot"], device["function"])
                  for bus in monitor.command("query-pci") for device in bus["devices"]}
        for device in objects(words, "-device"):
            if "addr" not in device:
                continue
            slot, _, function = device["addr"].partition(".")
            place = (int(slot, 0), int(function or "0", 0))
            path = "/machine/peripheral/" + device["id"]
            devfn = monitor.command("qom-get", path=path, property="addr")
            bus = monitor.command("qom-get", path=path, property="parent_bus")
            self.assertEqual(divmod(devfn, 8), place, device["id"])
            self.assertEqual(bus.split("/")[-1], device["bus"], device["id"])
            if device["bus"] in ("pci.0", "pcie.0"):
                self.assertEqual(listed[device["id"]], place)

    def check_nodes(self, words, monitor):
        found = {node["node-name"]
                 for node in monitor.command("query-named-block-nodes", flat=True)}
        self.assertLessEqual({node["node-name"] for node in objects(words, "-blockdev")}, found)
        self.assertFalse([node for node in found if node.startswith("#")])

    def check_sockets(self, words):
        for i, word in enumerate(words):
            if word == "-chardev" and re.match("socket,id=char-.*,server=on", words[i + 1]):
                path = re.search(r",path=((?:[^,]|,,)*)", words[i + 1]).group(1)
            elif word == "-vnc" and words[i + 1].startswith("vnc=unix:"):
                path = re.match(r"vnc=unix:((?:[^,]|,,)*)", words[i + 1]).group(1)
            else:
                continue
            self.assertTrue(pathlib.Path(path.replace(",,", ",")).is_socket(), path)

    def check_environment(self, words, process):
        with open(f"/proc/{process.pid}/environ", "rb") as file:
            environment = file.read().split(b"\0")
        if words[0] == "/usr/bin/env":
            self.assertIn(words[1].encode(), environment)

    def check(self, name):
        words = self.words(name)
        self.prepare(words)
        if name == "nbd":
            self.serve_nbd()
        process, monitor = self.start(words)
        self.check_identity(words, monitor)
        self.check_disks(words, monitor)
        self.check_nodes(words, monitor)
        self.check_pci(words, monitor)
        self.check_sockets(words)
        self.check_environment(words, process)
        monitor.command("cont")
        monitor.command("quit")
        self.assertEqual(process.wait(timeout=TIMEOUT), 0)


def add_test(name):
    setattr(CommandLine, "test_" + name.replace("-", "_"), lambda self: self.check(name))


for golden in sorted(DATA.glob("*.args")):
    if golden.stem not in NOT_STARTED:
        add_test(golden.stem)

if __name__ == "__main__":
    qs_tap.main()
