"""Headers of safetensors files, and what the original library says of them.

    python test/golden/safetensors_headers.py

writes test/golden/safetensors_headers.json: [{"header": text, "data": bytes behind it, "accepted": whether safetensors.safe_open takes it}, ...].
Made with safetensors 0.8.0.
"""
import json
import os
import struct
import tempfile

from safetensors import SafetensorError, safe_open

HERE = os.path.dirname(os.path.abspath(__file__))


def entry(begin=0, end=32, shape="[8]"):
    return '{"dtype":"F32","shape":%s,"data_offsets":[%d,%d]}' % (shape, begin, end)


HALVES = '"a":%s,"b":%s' % (entry(0, 16, "[4]"), entry(16, 32, "[4]"))
HEADERS = [
    '{"a":%s}' % entry(), ' {"a":%s}' % entry(), "{%s}" % HALVES, '\ufeff{"a":%s}' % entry(), '{"a":\ufeff%s}' % entry(),
    '{"__metadata__":null,"a":%s}' % entry(), '{"__metadata__":{},"a":%s}' % entry(), '{"__metadata__":{"k":"v"},"a":%s}' % entry(), '{"__metadata__":[],"a":%s}' % entry(),
    '{"__metadata__":{"k":null},"a":%s}' % entry(), '{"__metadata__":{"k":1},"a":%s}' % entry(),
    '{"__metadata__":{"k":"v"},"__metadata__":{"k":"v"},"a":%s}' % entry(), '{"__metadata__":null,"a":%s,"__metadata__":{"k":"v"}}' % entry(),
    '{"a":%s,"\\u0061":%s}' % (entry(0, 16, "[4]"), entry(16, 32, "[4]")),
    '{"a":{"dtype":"F32","dtype":"F32","shape":[8],"data_offsets":[0,32]}}', '{"a":{"dtype":"F16","dtype":"F32","shape":[8],"data_offsets":[0,32]}}',
    '{"a":{"dtype":"F32","shape":[8],"shape":[8],"data_offsets":[0,32]}}', '{"a":{"dtype":"F32","shape":[8],"data_offsets":[0,32],"data_offsets":[0,32]}}',
    '{"a":{"dtype":"F32","shape":[8],"sh\\u0061pe":[8],"data_offsets":[0,32]}}',
]


def accepted(header, data):
    text = header.encode()
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "x.safetensors")
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + bytes(data))
        try:
            with safe_open(path, "numpy") as opened:
                opened.keys()
            return True
        except SafetensorError:
            return False


def main():
    golden = [dict(header=header, data=32, accepted=accepted(header, 32)) for header in HEADERS]
    with open(os.path.join(HERE, "safetensors_headers.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(case) for case in golden) + "\n]\n")


main()
