"""The data sets of groups 12 and 13, made here: deterministic, of the named sizes, and as compressible as what they stand for."""

import functools
import json
import random
import struct
import zlib

WORDS = """der die und das nicht mit sich auf für ist ein eine Wehr Fluß Wasser über fließt läßt Größe schön möchte
Brücke grün spät Mühle Straße Tür Öffnung Übung Ärger weiß heiß Maß Stück Gefühl Schlüssel Geräusch natürlich""".split()


def _fill(size, piece):
    """Pieces until the size is reached, cut to it. piece: a function of the random source."""
    source = random.Random(size)
    parts, total = [], 0
    while total < size:
        parts.append(piece(source))
        total += len(parts[-1])
    return b"".join(parts)[:size]


def _sentence(source):
    words = source.choices(WORDS, k=source.randint(4, 14))
    return " ".join(words).capitalize() + ".\n"


def _json_entry(source):
    entry = {"id": source.getrandbits(40), "user": {"name": source.choice(WORDS), "followers": source.randrange(9999)},
             "text": _sentence(source).strip(), "tags": source.sample(WORDS, 3), "lang": "de", "retweeted": False}
    return (json.dumps(entry) + ",\n").encode()


def _html_element(source):
    return f'<li class="entry-{source.randrange(9)}"><a href="/page/{source.randrange(9999)}">{_sentence(source).strip()}</a></li>\n'.encode()


def _text(size, piece):
    """UTF-8 of exactly that size: cut at a character, then filled up."""
    cut = _fill(size, piece).decode(errors="ignore").encode()
    return cut + b" " * (size - len(cut))


def _bitmap(size):
    width, rows = 512, []
    head = b"BM" + struct.pack("<IHHI", size, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, 171, 1, 24, 0, 0, 0, 0, 0, 0)
    source = random.Random(size)
    for row in range(size // (3 * width) + 1):
        noise = source.randbytes(width)
        rows += [bytes((row & 255, column >> 2, noise[column] & 3)) for column in range(width)]
    return (head + b"".join(rows))[:size]


def _pdf_object(source):
    stream = zlib.compress(source.randbytes(source.randint(500, 4000)), 1)
    return b"%d 0 obj\n<< /Length %d /Filter /FlateDecode >>\nstream\n" % (source.randrange(999), len(stream)) + stream + b"\nendstream\nendobj\n"


@functools.cache
def data_set(name):
    if name == "json":
        return _text(194056, _json_entry).decode()
    if name == "bitmap":
        return _bitmap(263222)
    if name == "german":
        return _text(222218, lambda source: _sentence(source).encode())
    if name == "html":
        return _text(263647, _html_element).decode()
    return b"%PDF-1.4\n" + _fill(1042319, _pdf_object)


def slices(name, size, count):
    """Consecutive slices that wrap around; of a text they count characters."""
    data = data_set(name)
    data = data + data[:size]
    whole = len(data) - size
    at = 0
    for _ in range(count):
        part = data[at : at + size]
        yield part.encode() if isinstance(part, str) else part
        at = (at + size) % whole
