"""A filter in the kernel for a packet socket: UDP to or from some addresses, on its way out.

Another program may send more over `lo` than Python can look at. What the kernel sorts out costs the
sniffer nothing. The program is classic BPF as socket(7) takes it, on packets that begin with their
IP header.
"""

import ctypes
import socket
import struct

SO_ATTACH_FILTER = 26
# Instructions of linux/filter.h: code, jump if true, jump if false, operand.
INSTRUCTION = struct.Struct("=HBBI")
LOAD_WORD, LOAD_BYTE, SHIFT_RIGHT, JUMP_IF_EQUAL, RETURN = 0x20, 0x30, 0x74, 0x15, 0x06
# Loading from here yields the packet's type instead of its bytes.
PACKET_TYPE = 0xFFFFF000 + 4
ALL, NONE = 0xFFFFFFFF, 0
# Version, and where the header has protocol, source and destination.
IPV4, IPV6 = (4, 9, 12, 16), (6, 6, 8, 24)


def attach(packet_socket, addresses):
    """Lets only UDP to or from `addresses` (4 or 16 bytes each) through to the socket."""
    program = [(LOAD_BYTE, 0, 0, PACKET_TYPE), *_if_equal(socket.PACKET_OUTGOING, _families(addresses))]
    code = b"".join(INSTRUCTION.pack(*instruction) for instruction in [*program, (RETURN, 0, 0, NONE)])
    buffer = ctypes.create_string_buffer(code, len(code))
    fprog = struct.pack("HP", len(code) // INSTRUCTION.size, ctypes.addressof(buffer))
    packet_socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)


def _families(addresses):
    program = []
    for (version, protocol, source, destination), length in ((IPV4, 4), (IPV6, 16)):
        matches = [
            instruction
            for address in addresses
            if len(address) == length
            for offset in (source, destination)
            for instruction in _match(offset, address)
        ]
        udp = [(LOAD_BYTE, 0, 0, protocol), *_if_equal(socket.IPPROTO_UDP, matches)]
        program += [(LOAD_BYTE, 0, 0, 0), (SHIFT_RIGHT, 0, 0, 4), *_if_equal(version, udp)]
    return program


def _match(offset, address):
    """Lets the packet through if it has `address` at `offset`."""
    program = [(RETURN, 0, 0, ALL)]
    for at in reversed(range(0, len(address), 4)):
        word = int.from_bytes(address[at : at + 4])
        program = [(LOAD_WORD, 0, 0, offset + at), *_if_equal(word, program)]
    return program


def _if_equal(value, program):
    """Runs `program` if what was loaded is `value`, and skips it if not."""
    assert len(program) < 256, "more addresses than a jump of the filter can skip"
    return [(JUMP_IF_EQUAL, 0, len(program), value), *program]
