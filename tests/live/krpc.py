"""An independent reading of KRPC: bencoding (BEP 3) and nothing else.

It shares no code with `capture`, so a message that both read alike was read right. It accepts what
careless encoders write (unsorted or repeated keys, leading zeros, bytes behind the message) and
says so, because the events table has a column for exactly that.
"""

import re

_INTEGER = re.compile(rb"i(-?\d+)e")
_LENGTH = re.compile(rb"(\d+):")


class NotBencode(ValueError):
    """The datagram does not start with one bencoded dictionary."""


def decode(datagram):
    """The dictionary that `datagram` holds, and whether it is the one canonical encoding of it."""
    value, end, canonical = _value(datagram, 0)
    if not isinstance(value, dict):
        raise NotBencode("not a dictionary")
    return value, canonical and end == len(datagram)


def _value(data, at):
    kind = data[at : at + 1]
    if kind == b"d":
        return _dictionary(data, at)
    if kind == b"l":
        return _list(data, at)
    if kind == b"i":
        return _integer(data, at)
    return _string(data, at)


def _integer(data, at):
    found = _INTEGER.match(data, at)
    if not found:
        raise NotBencode(f"bad integer at byte {at}")
    value = int(found[1])
    return value, found.end(), found[1] == b"%d" % value


def _string(data, at):
    found = _LENGTH.match(data, at)
    if not found:
        raise NotBencode(f"no value at byte {at}")
    length = int(found[1])
    end = found.end() + length
    if end > len(data):
        raise NotBencode(f"string at byte {at} is cut short")
    return data[found.end() : end], end, found[1] == b"%d" % length


def _list(data, at):
    items, canonical, at = [], True, at + 1
    while data[at : at + 1] != b"e":
        item, at, clean = _value(data, at)
        items.append(item)
        canonical &= clean
    return items, at + 1, canonical


def _dictionary(data, at):
    items, canonical, last, at = {}, True, None, at + 1
    while data[at : at + 1] != b"e":
        key, at, clean_key = _string(data, at)
        item, at, clean_item = _value(data, at)
        canonical &= clean_key and clean_item and (last is None or last < key)
        items.setdefault(key, item)
        last = key
    return items, at + 1, canonical


def encode(value):
    """The canonical encoding of integers, bytes, lists and dictionaries of them."""
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l%se" % b"".join(map(encode, value))
    return b"d%se" % b"".join(encode(key) + encode(value[key]) for key in sorted(value))
