"""What the layering test holds the tree to: the places of the house, what each may know, which circles may stand.

A place is a storey, or one of the four rooms of ws. A file belongs to the place whose folder it lies in.
"""

import dataclasses
import re

ROOMS = ["ws/flow", "ws/session", "ws/opening", "ws/server"]
OUTSIDE = ["cli", "examples", "bindings"]  # they see include/weir alone
STOREYS = ["base", "wire", "codec", "rt", "net", *ROOMS, "hub"]
PLACES = [*STOREYS, *OUTSIDE]

BELOW_WS = {"base", "wire", "codec", "rt", "net"}
KNOWS = {
    "base": set(),
    "wire": {"base"},
    "codec": {"base", "wire"},  # of wire only CODEC_INTERFACE
    "rt": {"base"},
    "net": {"base", "rt"},
    **{room: BELOW_WS | set(ROOMS[:ROOMS.index(room)]) for room in ROOMS},
    "hub": {"base", *ROOMS},
    **{place: set(STOREYS) for place in OUTSIDE},  # through public headers
}

# What a codec knows of wire: the table of functions, the terms it serves, and enum weir_role.
CODEC_INTERFACE = {"include/weir/codec.h", "include/weir/deflate.h", "include/weir/frame.h", "src/wire/deflate.c"}
# Sessions and what moves their bytes see a transport, never what drives it.
BACKEND = re.compile(r"src/rt/(backend|loop_(epoll|uring)\w*|sim\w*)\.[ch]")
NO_BACKEND = {"ws/flow", "ws/session"}


def place_of(path):
    """The place of a file by its folder; None: it has none."""
    parts = path.split("/")
    if parts[0] in OUTSIDE:
        return parts[0]
    folder = "/".join(parts[1:-1])
    return folder if parts[0] == "src" and folder in STOREYS else None


def judge(mine, other, target):
    """What is wrong when a file of the place mine knows the file target of the place other; None: nothing."""
    if other != mine and other not in KNOWS[mine]:
        upward = PLACES.index(other) > PLACES.index(mine)
        return f"{mine} {'looks up to' if upward else 'does not know'} {other}: {target}"
    if mine == "codec" and other == "wire" and target not in CODEC_INTERFACE:
        return f"of wire, codec knows its interface alone, not {target}"
    if mine in NO_BACKEND and BACKEND.fullmatch(target):
        return f"{mine} does not know a back-end: {target}"
    return None


@dataclasses.dataclass
class Exceptions:
    """modules: files that are one module, cut by size, so that they may call each other: {name: (pattern, reason)}.
    upward: pairs (file, file) whose first knows the second, wrongly. circles: groups of files and modules.

    upward and circles are a list of work: whoever mends one deletes its entry. An entry for what is no longer there
    is an error, and so is a group that has changed."""

    modules: dict = dataclasses.field(default_factory=dict)
    upward: set = dataclasses.field(default_factory=set)
    circles: list = dataclasses.field(default_factory=list)


TODAY = Exceptions(
    modules={
        "loop_epoll*": (r"src/rt/loop_epoll\w*\.c", "one back-end: readiness and its calls in rows"),
        "loop_uring*": (r"src/rt/loop_uring\w*\.c", "one back-end: each kind of request, and one queue for all"),
        "sim*": (r"src/rt/sim\w*\.c", "one back-end: a network whose links, data and listeners share one queue"),
        "endpoint*": (r"src/wire/endpoint\w*\.c", "one state machine, a file a kind of frame"),
    },
    upward=set(),
    circles=[],
)
