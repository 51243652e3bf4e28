"""Writes the real datagrams of tests/corpus as first inputs of the fuzz targets: seeds.py FOLDER.

`decode` gets one file a datagram. `antenna` gets scripts: a byte for the setup, then steps. Step 0 is a
datagram (socket, kind and number of its source, length in two bytes, payload), step 4 lets time pass
(two bytes, in units of 50 ms), step 3 answers a query of ours (which one, how, how many nodes, then ids
of three bytes and addresses of two).
"""

import json
import pathlib
import sys

CORPUS = pathlib.Path(__file__).parents[2] / "tests/corpus/krpc.jsonl"
DATAGRAMS_A_SCRIPT = 10
SETUPS = 16


def step(number, datagram):
    socket, source = number % 9, bytes([number % 3, number % 251])
    received = bytes([0, socket]) + source + len(datagram).to_bytes(2, "little") + datagram
    answered = bytes([3, number % 4, 0, 1, 0, number % 9, number % 256]) + bytes([0, number % 200, 0, 0, 9] * 2)
    return received + bytes([4, 40, 0]) + answered


def main(folder):
    with CORPUS.open() as lines:
        datagrams = [bytes.fromhex(json.loads(line)["payload"]) for line in lines]
    scripts = [
        bytes([first // DATAGRAMS_A_SCRIPT % SETUPS])
        + b"".join(step(first + i, datagram) for i, datagram in enumerate(datagrams[first:][:DATAGRAMS_A_SCRIPT]))
        for first in range(0, len(datagrams), DATAGRAMS_A_SCRIPT)
    ]
    for target, inputs in [("decode", datagrams), ("antenna", scripts)]:
        (folder / target).mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(inputs):
            (folder / target / f"{number:04}").write_bytes(content)


main(pathlib.Path(sys.argv[1]))
