"""permessage-deflate as the testing peer does it (RFC 7692): offers, answers, and the codec."""

import re
import zlib

NAME = "permessage-deflate"


def parameters(text):
    """'permessage-deflate; a; b=1' as {"a": None, "b": 1}."""
    found = {}
    for word in text.split(";")[1:]:
        name, _, value = word.strip().partition("=")
        found[name] = int(value.strip('"')) if value else None
    return found


def parse_list(field):
    """The elements of the field that are permessage-deflate, with their parameters."""
    elements = [element.strip() for element in field.split(",")]
    return [parameters(element) for element in elements if re.match(NAME + r"\s*(;|$)", element)]


def write(settings):
    return "; ".join([NAME] + [name if value is None else f"{name}={value}" for name, value in settings.items()])


def ask(asked, side):
    """What asks the other side, named "server" or "client", to compress so."""
    takeover, bits = asked
    settings = {f"{side}_no_context_takeover": None} if takeover else {}
    if bits is not None:
        settings[f"{side}_max_window_bits"] = bits
    return settings


def make_offer(deflate):
    return ", ".join(write({"client_max_window_bits": None} | ask(asked, "server")) for asked in deflate.asked)


def fulfils(answer, deflate):
    """Whether a server's answer grants one of the alternatives."""

    def grants(asked):
        takeover, bits = asked
        return ((not takeover or "server_no_context_takeover" in answer) and
                (bits is None or (answer.get("server_max_window_bits") or 15) <= bits))

    return any(grants(asked) for asked in deflate.asked)


def make_answer(field, deflate):
    """Our answer as a server to the offers in a field: the settings, or None."""
    for offer in parse_list(field):
        for asked in deflate.asked:
            answer = ask(asked, "client")
            if "client_max_window_bits" in answer and "client_max_window_bits" not in offer:
                continue
            if deflate.apart or "server_no_context_takeover" in offer:
                answer["server_no_context_takeover"] = None
            if "server_max_window_bits" in offer:
                answer["server_max_window_bits"] = offer["server_max_window_bits"]
            return answer
    return None


class Codec:
    """One side of a connection with what was agreed: ours and theirs are "client" and "server" or the other way round."""

    def __init__(self, agreed, ours, theirs):
        self.agreed = agreed
        self.ours = ours
        self.theirs = theirs
        self.deflater = self.inflater = None

    def bits(self, side):
        return max(9, self.agreed.get(f"{side}_max_window_bits") or 15)

    def forgets(self, side):
        return f"{side}_no_context_takeover" in self.agreed

    def compress(self, payload):
        if self.deflater is None or self.forgets(self.ours):
            self.deflater = zlib.compressobj(1, zlib.DEFLATED, -self.bits(self.ours))
        out = self.deflater.compress(payload) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
        return out[:-4]

    def decompress(self, payload):
        if self.inflater is None or self.forgets(self.theirs):
            self.inflater = zlib.decompressobj(-self.bits(self.theirs))
        return self.inflater.decompress(payload + b"\0\0\xff\xff")
