"""Planted trees that the layering test has to judge rightly before it judges ours."""

import os
import pathlib
import subprocess
import tempfile

from layering_rules import Exceptions

CLEAN = {
    "include/weir/base.h": "#include <stdint.h>",
    "include/weir/frame.h": "#include <weir/base.h>",
    "include/weir/loop.h": "#include <weir/base.h>",
    "include/weir/codec.h": "#include <weir/base.h>",
    "include/weir/session.h": "#include <weir/frame.h>\n#include <weir/loop.h>",
    "include/weir/server.h": "#include <weir/session.h>",
    "src/wire/frame.c": "#include <weir/frame.h>\n#include <string.h>",
    "src/codec/zip.c": "#include <weir/codec.h>\n#include <zlib.h>",
    "src/rt/loop.h": "#include <weir/loop.h>",
    "src/rt/loop.c": '#include "rt/loop.h"\n#include <sys/epoll.h>',
    "src/net/tcp.h": "#include <weir/loop.h>",
    "src/net/tcp.c": '#include "net/tcp.h"\n#include "rt/loop.h"',
    "src/ws/flow/inlet.h": "#include <weir/frame.h>",
    "src/ws/session/session.h": '#include "ws/flow/inlet.h"',
    "src/ws/session/update.c": '#include <weir/session.h>\n#include "net/tcp.h"\n#include "ws/session/session.h"',
    "src/ws/server/server.c": '#include <weir/server.h>\n#include "ws/session/session.h"',
    "cli/main.c": "#include <weir/session.h>",
}

# What is planted: (what the checker has to say, the files).
INCLUDES = {
    "an upward include": ("net looks up to ws/flow",
                          {"src/net/tcp.c": '#include "ws/flow/inlet.h"'}),
    "an upward include of a public header": ("net looks up to ws/session",
                                             {"src/net/tcp.c": "#include <weir/session.h>"}),
    "an upward include between rooms": ("ws/flow looks up to ws/session",
                                        {"src/ws/flow/inlet.h": '#include "ws/session/session.h"'}),
    "an upward include between rooms' public headers": ("ws/session looks up to ws/server",
                                                        {"include/weir/session.h": "#include <weir/server.h>"}),
    "an upward include of a header that joins protocol and runtime": (
        "net looks up to ws/flow",
        {"include/weir/both.h": "#include <weir/frame.h>\n#include <weir/loop.h>",
         "src/net/tcp.c": "#include <weir/both.h>"}),
    "wire that knows rt": ("wire looks up to rt", {"src/wire/frame.c": '#include "rt/loop.h"'}),
    "rt that knows wire": ("rt does not know wire", {"src/rt/loop.c": "#include <weir/frame.h>"}),
    "wire with a system header": ("wire takes C11 alone", {"src/wire/frame.c": "#include <unistd.h>"}),
    "a codec that knows more of wire": ("codec knows its interface alone",
                                        {"src/codec/zip.c": '#include "wire/parts.h"', "src/wire/parts.h": ""}),
    "flow that knows a back-end": ("does not know a back-end",
                                   {"src/ws/flow/inlet.h": '#include "rt/loop_epoll.h"', "src/rt/loop_epoll.h": ""}),
    "a command that sees something private": ("sees the private", {"cli/main.c": '#include "net/tcp.h"'}),
    "a public header that sees something private": ("sees the private",
                                                    {"include/weir/session.h": '#include "net/tcp.h"'}),
    "something that all share and that knows one": ("is known to every storey",
                                                    {"include/weir/base.h": "#include <weir/frame.h>"}),
    "a circle of includes": ("circle of includes", {"src/rt/a.h": '#include "rt/b.h"', "src/rt/b.h": '#include "a.h"'}),
    "a circle of rooms": ("circle of rooms: ws/flow knows ws/session (src/ws/flow/inlet.h includes src/ws/session/",
                          {"src/ws/flow/inlet.h": '#include "ws/session/other.h"', "src/ws/session/other.h": ""}),
    "a header that is not there": ("is not in the tree", {"src/net/tcp.c": '#include "net/udp.h"'}),
    "a file of ws outside its rooms": ("lies in no storey", {"src/ws/reader.c": ""}),
    "a file of no storey": ("lies in no storey", {"src/util/list.c": ""}),
}


def calls(name, *others):
    """A C file that defines a function which calls others, by declarations of its own."""
    declared = "".join(f"void weir__{other}(void); " for other in (name, *others))
    return f"{declared}void weir__{name}(void) {{ {''.join(f'weir__{other}(); ' for other in others)}}}"


LOWER = calls("lower", "upper")
UPPER = calls("upper")
BACK = calls("upper", "lower")
DATA = "int weir__table[2] = {1, 2};"
READER = "extern int weir__table[]; int weir__lower(void); int weir__lower(void) { return weir__table[1]; }"

CIRCLE = {"src/rt/a.c": LOWER, "src/rt/b.c": BACK}
GROWN = {"src/rt/a.c": calls("lower", "upper", "third"), "src/rt/b.c": BACK, "src/rt/c.c": calls("third", "lower")}
KNOWN = Exceptions(circles=[{"src/rt/a.c", "src/rt/b.c"}])
MODULE = Exceptions(modules={"ab": (r"src/rt/[ab]\.c", "one module")})
UPWARD = Exceptions(upward={("src/rt/a.c", "src/ws/flow/b.c")})

# What is planted: (what the checker has to say, or None, the files, the exceptions).
SYMBOLS = {
    "a call downwards": (None, {"src/net/a.c": LOWER, "src/rt/b.c": UPPER}, None),
    "an upward call": ("rt looks up to ws/flow: src/ws/flow/b.c, by weir__upper",
                       {"src/rt/a.c": LOWER, "src/ws/flow/b.c": UPPER}, None),
    "an upward use of a variable": ("net looks up to ws/session: src/ws/session/b.c, by weir__table",
                                    {"src/net/a.c": READER, "src/ws/session/b.c": DATA}, None),
    "an upward call between rooms": ("ws/session looks up to ws/server",
                                     {"src/ws/session/a.c": LOWER, "src/ws/server/b.c": UPPER}, None),
    "a call from rt to wire": ("rt does not know wire", {"src/rt/a.c": LOWER, "src/wire/b.c": UPPER}, None),
    "a codec that calls more of wire": ("codec knows its interface alone",
                                        {"src/codec/a.c": LOWER, "src/wire/b.c": UPPER}, None),
    "flow that calls a back-end": ("does not know a back-end",
                                   {"src/ws/flow/a.c": LOWER, "src/rt/loop_uring_b.c": UPPER}, None),
    "a command that calls something private": ("sees the private weir__upper",
                                               {"cli/a.c": LOWER, "src/rt/b.c": UPPER}, None),
    "a circle of rooms by calls": ("circle of rooms: ws/flow knows ws/session (src/ws/flow/a.c calls weir__upper of",
                                   {"src/ws/flow/a.c": LOWER, "src/ws/session/b.c": BACK}, None),
    "a circle of files": ("src/rt/a.c calls weir__upper of src/rt/b.c, which calls weir__lower of src/rt/a.c",
                          CIRCLE, None),
    "a circle that is known": (None, CIRCLE, KNOWN),
    "two circles of one file": ("src/rt/c.c calls weir__lower of src/rt/a.c, which calls weir__third of src/rt/c.c",
                                GROWN, None),
    "a known circle that grew": ("circle of files", GROWN, KNOWN),
    "a known circle that was mended": ("no circle any more", {"src/rt/a.c": LOWER, "src/rt/b.c": UPPER}, KNOWN),
    "a known circle whose file has gone": ("no circle any more", {"src/rt/b.c": UPPER}, KNOWN),
    "a circle within a module": (None, CIRCLE, MODULE),
    "a module without a circle": ("stand in no circle", {"src/rt/a.c": LOWER, "src/rt/b.c": UPPER}, MODULE),
    "a module without files": ("has no files", {"src/rt/d.c": UPPER}, MODULE),
    "an upward call that is known": (None, {"src/rt/a.c": LOWER, "src/ws/flow/b.c": UPPER}, UPWARD),
    "a known upward call that was mended": ("does not know src/ws/flow/b.c any more",
                                            {"src/rt/a.c": UPPER, "src/ws/flow/b.c": ""}, UPWARD),
    "a build that is not whole": ("nothing in this build defines weir__upper", {"src/rt/a.c": LOWER}, None),
}


def plant(root, files):
    for name, text in files.items():
        path = pathlib.Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")


def compile_planted(root, files):
    """Objects of the C files, where CMake would leave them; and one whose source has gone, which must not count."""
    build = pathlib.Path(root) / "build"
    for name in (*files, "src/rt/gone.c"):
        object_file = build / "CMakeFiles" / "weir_objects.dir" / f"{name}.o"
        object_file.parent.mkdir(parents=True, exist_ok=True)
        text = files.get(name, "void weir__gone(void); void weir__lower(void) { weir__gone(); }")
        subprocess.run([os.environ.get("WEIR_CC", "cc"), "-x", "c", "-w", "-c", "-o", str(object_file), "-"],
                       input=text, text=True, check=True)
    return build


def judge_planted(check, files, compiled, exceptions):
    with tempfile.TemporaryDirectory() as root:
        plant(root, files)
        build = compile_planted(root, compiled) if compiled else None
        return check(root, build, exceptions or Exceptions())


def tell_wrong(name, expected, said):
    """What the checker got wrong about a planted tree, or None."""
    if expected is None:
        return f"the checker is wrong about {name}: {said}" if said else None
    return None if any(expected in line for line in said) else f"the checker does not see {name}: {said}"


def prove(check):
    """What check(root, build, exceptions) gets wrong."""
    verdicts = [tell_wrong("a clean tree", None, judge_planted(check, CLEAN, None, None))]
    for name, (expected, files) in INCLUDES.items():
        verdicts.append(tell_wrong(name, expected, judge_planted(check, {**CLEAN, **files}, None, None)))
    for name, (expected, files, exceptions) in SYMBOLS.items():
        verdicts.append(tell_wrong(name, expected, judge_planted(check, files, files, exceptions)))
    return [verdict for verdict in verdicts if verdict]
