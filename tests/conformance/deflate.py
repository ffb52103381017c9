"""permessage-deflate as the testing peer does it (RFC 7692): offers, answers, and the codec."""

import re
import zlib

NAME = "permessage-deflate"
FLAGS = ("server_no_context_takeover", "client_no_context_takeover")
WINDOWS = ("server_max_window_bits", "client_max_window_bits")
EXACT_MAX = 1024  # compressed bytes of a message up to which the window is held exactly


def parameters(text):
    """'permessage-deflate; a; b=1' as {"a": None, "b": "1"}."""
    found = {}
    for word in text.split(";")[1:]:
        name, _, value = word.strip().partition("=")
        if name in found:
            raise ValueError(f"{name} is given twice: {text}")
        found[name] = value or None
    return found


def parse_list(field):
    """The elements of the field that are permessage-deflate, with their parameters."""
    elements = [element.strip() for element in field.split(",")]
    return [parameters(element) for element in elements if re.match(NAME + r"\s*(;|$)", element)]


def write(settings):
    return "; ".join([NAME] + [name if value is None else f"{name}={value}" for name, value in settings.items()])


def bits_of(settings, side):
    """The window that is named, as a power of two; the widest when none is."""
    return int(settings.get(f"{side}_max_window_bits") or 15)


def is_well_formed(answer):
    """RFC 7692 7.1: an answer has nothing unknown, no flag with a value, no window without a number from 8 to 15."""
    return all(value is None if name in FLAGS else name in WINDOWS and re.fullmatch("[89]|1[0-5]", value or "")
               for name, value in answer.items())


def answer_fits(offer, answer):
    """Whether a server may answer an offer so, and grants all that it asks for."""
    return (is_well_formed(answer) and
            ("server_no_context_takeover" not in offer or "server_no_context_takeover" in answer) and
            bits_of(answer, "server") <= bits_of(offer, "server") and
            ("client_max_window_bits" not in answer or
             "client_max_window_bits" in offer and bits_of(answer, "client") <= bits_of(offer, "client")))


def ask(asked, side):
    """The parameters that ask the peer, named "server" or "client", to compress so."""
    takeover, bits = asked
    settings = {f"{side}_no_context_takeover": None} if takeover else {}
    if bits is not None:
        settings[f"{side}_max_window_bits"] = str(bits)
    return settings


def make_offer(deflate):
    return ", ".join(write({"client_max_window_bits": None} | ask(asked, "server")) for asked in deflate.asked)


def make_answer(field, deflate):
    """Our answer as a server to the offers in a field: the settings, or None."""
    for offer in parse_list(field):
        granted = {name: offer[name] for name in ("server_no_context_takeover", "server_max_window_bits") if name in offer}
        if deflate.apart:
            granted["server_no_context_takeover"] = None
        for asked in deflate.asked:
            answer = ask(asked, "client") | granted
            if answer_fits(offer, answer):
                return answer
    return None


def inflate_exactly(inflater, data):
    """An octet at a time, so that zlib holds what refers back against the window alone, not against what it has at hand as well."""
    out = []
    while piece := inflater.decompress(data, 1):
        out.append(piece)
        data = inflater.unconsumed_tail
    return b"".join(out)


class Codec:
    """One end of a connection with what was agreed: ours and theirs are "client" and "server" or the reverse."""

    def __init__(self, agreed, ours, theirs):
        self.agreed = agreed
        self.ours = ours
        self.theirs = theirs
        self.deflater = self.inflater = None

    def forgets(self, side):
        return f"{side}_no_context_takeover" in self.agreed

    def compress(self, payload):
        if self.deflater is None or self.forgets(self.ours):
            # zlib has no compressor with a window of 8 bits; its one of 9 refers 250 bytes back at most.
            self.deflater = zlib.compressobj(1, zlib.DEFLATED, -max(9, bits_of(self.agreed, self.ours)))
        out = self.deflater.compress(payload) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
        return out[:-4]

    def decompress(self, payload):
        bits = bits_of(self.agreed, self.theirs)
        if self.inflater is None or self.forgets(self.theirs):
            self.inflater = zlib.decompressobj(-bits)
        stream = payload + b"\0\0\xff\xff"
        return inflate_exactly(self.inflater, stream) if bits < 15 and len(payload) <= EXACT_MAX else self.inflater.decompress(stream)
