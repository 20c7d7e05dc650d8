#!/usr/bin/env python3
"""A bad network between two network namespaces, for kernels without netem.

    bad-network.py LEFT RIGHT LEFT_ADDRESS RIGHT_ADDRESS SEED

It opens a TUN device, moves one end's into each namespace, and carries IP packets between them. A packet that
the kernel of one side sends is read here, suffers, waits in a heap until its time, and is written to the other:

    LEFT  tun ──▶ lose? ─▶ corrupt? ─▶ delay ± jitter ─▶ duplicate? ─▶ tun  RIGHT      and the same back

Orders come as lines of JSON on standard input, each answered by a line with the counts so far:

    {"loss": 0.05, "delay": 100, "jitter": 50, "reorder": 0.05, "duplicate": 0.01, "corrupt": 0.001}
    {"cut": true}      nothing passes until {"cut": false}
    {"forge": 3}       in the next 3 packets of data two words are swapped: TCP's checksum stays right

Ratios are from 0 to 1, times in milliseconds. Only a packet chosen by `reorder` overtakes others. The end of standard
input ends the network, so that it never outlives whoever started it; with it the devices go.
"""

import fcntl
import heapq
import json
import os
import random
import selectors
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
MTU = 1400
MAX_WAITING = 20_000  # packets: more are lost, as in any router


class Side:
    """One end: a TUN device in a namespace."""

    def __init__(self, device, namespace, address, peer):
        self.file = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.file, TUNSETIFF, struct.pack('16sH', device.encode(), IFF_TUN | IFF_NO_PI))
        subprocess.run(['ip', 'link', 'set', device, 'netns', namespace], check=True)
        for command in (
            ['address', 'add', address, 'peer', peer, 'dev', device],
            ['link', 'set', device, 'mtu', str(MTU), 'up'],
        ):
            subprocess.run(['ip', '-n', namespace, *command], check=True)
        self.other = None
        self.last_due = 0.0

    def packets(self):
        """What the kernel has sent, a few at a time, so that neither side starves the other."""
        for _ in range(32):
            try:
                yield os.read(self.file, 65536)
            except BlockingIOError:
                return

    def deliver(self, packet):
        """True when the kernel took it; a corrupted one may be no IP packet any more."""
        try:
            os.write(self.file, packet)
            return True
        except OSError:
            return False


class Network:
    def __init__(self, left, right, seed):
        left.other, right.other = right, left
        self.random = random.Random(seed)
        self.settings = dict(loss=0.0, delay=0.0, jitter=0.0, reorder=0.0, duplicate=0.0, corrupt=0.0, cut=False, forge=0)
        self.counts = dict(seen=0, carried=0, lost=0, cut=0, corrupted=0, forged=0, reordered=0, duplicated=0)
        self.waiting = []
        self.sequence = 0

    def order(self, settings):
        unknown = settings.keys() - self.settings.keys()
        if unknown:
            raise ValueError(f'unknown: {unknown}')
        self.settings.update(settings)

    def chance(self, name):
        return self.random.random() < self.settings[name]

    def count(self, name):
        self.counts[name] += 1

    def take(self, side, packet):
        self.count('seen')
        if self.settings['cut']:
            return self.count('cut')
        if self.chance('loss') or len(self.waiting) > MAX_WAITING:
            return self.count('lost')
        if self.settings['forge'] > 0:
            packet = self.forge(packet)
        if self.chance('corrupt'):
            packet = self.corrupt(packet)
        now = time.monotonic()
        jitter = self.random.uniform(-1, 1) * self.settings['jitter']
        due = now + max(0.0, self.settings['delay'] + jitter) / 1000
        if self.chance('reorder'):
            self.count('reordered')
            due = now
        else:
            due = side.last_due = max(due, side.last_due)
        self.wait(due, side.other, packet)
        if self.chance('duplicate'):
            self.count('duplicated')
            self.wait(due, side.other, packet)

    def wait(self, due, destination, packet):
        self.sequence += 1
        heapq.heappush(self.waiting, (due, self.sequence, destination, packet))

    def corrupt(self, packet):
        self.count('corrupted')
        broken = bytearray(packet)
        broken[self.random.randrange(len(broken))] ^= 1 << self.random.randrange(8)
        return bytes(broken)

    def forge(self, packet):
        """A sum of words does not change with their order: only TLS can see this."""
        if len(packet) < 20 or packet[0] >> 4 != 4 or packet[9] != 6:
            return packet
        tcp = (packet[0] & 15) * 4
        begin = tcp + (packet[tcp + 12] >> 4) * 4
        # Not the first bytes, where the head of a TLS record may be.
        words = range(begin + 16, len(packet) - 1, 2)
        for a, b in zip(words, words[1:]):
            if packet[a : a + 2] != packet[b : b + 2]:
                self.count('forged')
                self.settings['forge'] -= 1
                return packet[:a] + packet[b : b + 2] + packet[a : a + 2] + packet[b + 2 :]
        return packet

    def deliver_due(self):
        """Seconds until the next is due, None when none waits."""
        while self.waiting:
            left = self.waiting[0][0] - time.monotonic()
            if left > 0:
                return left
            _, _, destination, packet = heapq.heappop(self.waiting)
            if destination.deliver(packet):
                self.count('carried')
        return None


def main():
    left, right, left_address, right_address, seed = sys.argv[1:]
    # The devices are named in the namespace of the caller first: the names must be nobody else's.
    sides = [
        Side(f'bad{os.getpid()}l', left, left_address, right_address),
        Side(f'bad{os.getpid()}r', right, right_address, left_address),
    ]
    network = Network(*sides, int(seed))
    selector = selectors.DefaultSelector()
    for side in sides:
        selector.register(side.file, selectors.EVENT_READ, side)
    os.set_blocking(sys.stdin.fileno(), False)
    selector.register(sys.stdin.fileno(), selectors.EVENT_READ, None)
    print('{}', flush=True)
    unread = b''
    while True:
        for key, _ in selector.select(network.deliver_due()):
            if key.data is not None:
                for packet in key.data.packets():
                    network.take(key.data, packet)
                continue
            chunk = os.read(sys.stdin.fileno(), 65536)
            if not chunk:
                return
            *lines, unread = (unread + chunk).split(b'\n')
            for line in lines:
                network.order(json.loads(line))
                print(json.dumps(network.counts), flush=True)


main()
