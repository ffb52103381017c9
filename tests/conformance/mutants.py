"""Removes one check at a time from weir and requires that the suite notices: python3 mutants.py [NAME]...

Works on a copy of the tree in build/mutants, which is built anew for each mutant (the library, the command and the driver alone), and runs the groups
that it may matter to. Ends with "N noticed, M alive"; exit status 1 when one is alive, or no longer applies. Takes some minutes: it is no part of `make test`."""

import filecmp
import os
import shutil
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
COPY = os.path.join(ROOT, "build", "mutants")
SUITE = os.path.join(ROOT, "tests", "conformance", "test_suite.py")

PARSER, MESSAGE, CONTROL = "src/wire/parser.c", "src/wire/endpoint_message.c", "src/wire/endpoint_control.c"
ENDPOINT, CLOSING, CODES, UTF8 = "src/wire/endpoint.c", "src/wire/endpoint_close.c", "src/wire/close.c", "src/wire/utf8.c"
SENDING = "src/wire/endpoint_send.c"
REQUEST, RESPONSE = "src/wire/handshake_request.c", "src/wire/handshake_response.c"
INFLATED, CODEC, TERMS = "src/wire/endpoint_codec.c", "src/codec/deflate_codec.c", "src/wire/deflate.c"

# What the suite is asked to run.
LIGHT = ("--light", "--role", "server")
CODED = ("--role", "server", "--case", "compressed", "--case", "deflate-negotiation", "--case", "deflated", "--case", "13")
OPENING = ("--case", "opening")
MASKS = ("--role", "client", "--case", "masks")
ANSWERS = ("--role", "client", "--case", "deflate-negotiation")

# Name, file, the old text, the new text; and what is run, if it is not LIGHT.
MUTANTS = [
    ("reserved bits of data are not looked at", PARSER, "if ((bits >> 4 & 7u & ~allowed) != 0)", "if (allowed > 7)"),
    ("reserved bits of control frames are not looked at", PARSER, "if ((bits & 0x70u) != 0)", "if (bits > 0xFFu)"),
    ("reserved data opcodes pass", PARSER, "if (opcode > WEIR_FRAME_BINARY)", "if (opcode > 7)"),
    ("reserved control opcodes pass", PARSER, "if (weir_frame_type_from_opcode(bits & OPCODE_BITS) < 0)", "if (bits > 0xFFu)"),
    ("control frames may be fragmented", PARSER, "return (bits & FIN_BIT) != 0 ? WEIR__RULE_NONE : WEIR__RULE_CONTROL_FRAGMENTED;", "return WEIR__RULE_NONE;"),
    ("control frames of 126 bytes and more are read as empty", PARSER, "if (length > WEIR__CONTROL_MAX)", "if (length > 127u)"),
    ("a Close of one byte passes", PARSER, "return is_close && length == 1 ? WEIR__RULE_CLOSE_LENGTH : WEIR__RULE_NONE;", "return is_close && length > 127 ? WEIR__RULE_CLOSE_LENGTH : WEIR__RULE_NONE;"),
    ("a continuation of nothing passes", PARSER, "if (opcode == 0 && parser->message == 0)", "if (opcode > 15)"),
    ("a message inside a message passes", PARSER, "if (opcode != 0 && parser->message != 0)", "if (opcode > 15)"),
    ("frames without a mask pass", PARSER, "if (parser->mask == WEIR_MASK_REQUIRED && !masked)", "if (parser->mask > WEIR_MASK_ANY && !masked)"),
    ("frames with a mask pass in a client", PARSER, "if (parser->mask == WEIR_MASK_FORBIDDEN && masked)", "if (parser->mask > 9 && masked)", MASKS),
    ("a client sends frames without a mask", SENDING, ".masked = endpoint->masking,", ".masked = false,", MASKS),
    ("a length of 16 bits need not be minimal", PARSER, "if (missing == 0 && least < 126)", "if (missing > 2 && least < 126)"),
    ("a length of 16 bits need not be minimal, the short cut", MESSAGE, "if (length < 126)", "if (length > 65535)"),
    ("a length of 64 bits need not be minimal", PARSER, "if (missing <= 2 && least <= UINT16_MAX)", "if (missing > 8 && least <= UINT16_MAX)"),
    ("a length of 64 bits is only judged when it is whole", PARSER, "if (missing <= 2 && least <= UINT16_MAX)", "if (missing == 0 && least <= UINT16_MAX)"),
    ("a length may have its top bit", PARSER, "if (least >> 63 != 0)", "if (missing > 8)"),
    ("no frame limit for long lengths", PARSER, "if (least > UINT16_MAX && least > parser->max_frame_size)", "if (missing > 8)"),
    ("no frame limit for lengths of 16 bits", PARSER, "if (least >= 126 && least > parser->max_frame_size)", "if (missing > 2)"),
    ("no message limit", MESSAGE, "if (too_big && endpoint->delivery != WEIR_DELIVER_FRAMES)", "if (too_big && endpoint->delivery > WEIR_DELIVER_FRAMES)"),
    ("the message limit forgets the fragments before", MESSAGE, "head->size > limit - endpoint->message_size;", "head->size > limit;"),
    ("the message limit is one byte low", MESSAGE, "head->size > limit - endpoint->message_size;", "head->size >= limit - endpoint->message_size;"),
    ("the message limit counts all messages together", MESSAGE, "        endpoint->message_size = 0;\n", ""),
    ("text is not checked when it comes in pieces", MESSAGE, "if (weir_utf8_feed(&endpoint->utf8, piece->data, piece->size, valid) != WEIR_OK)", "*valid = 0;\n    if (piece->size > SIZE_MAX - 1)"),
    ("text is not checked in the short cut", MESSAGE, "if (weir_utf8_feed(&utf8, data, size, valid) != WEIR_OK)", "if (weir_utf8_feed(&utf8, data, 0, valid) != WEIR_OK)"),
    ("text may end inside a character, in pieces", MESSAGE, "return ends && !weir_utf8_is_complete(&endpoint->utf8) ? WEIR__RULE_TEXT_CUT : WEIR__RULE_NONE;", "return ends && endpoint->utf8.wanted > 9 ? WEIR__RULE_TEXT_CUT : WEIR__RULE_NONE;"),
    ("text may end inside a character, in the short cut", MESSAGE, "return weir_utf8_is_complete(&utf8) ? WEIR__RULE_NONE : WEIR__RULE_TEXT_CUT;", "return WEIR__RULE_NONE;"),
    ("fragments may not cut a character", MESSAGE, "bool ends = piece->last && endpoint->head_fin;\n    return ends &&", "bool ends = piece->last;\n    return ends &&"),
    ("overlong forms of three bytes pass", UTF8, "byte == 0xE0 ? 0xA0 : 0x80", "byte == 0xE0 ? 0x80 : 0x80"),
    ("overlong forms of two bytes pass", UTF8, "if (byte >= 0xC2 && byte <= 0xDF)", "if (byte >= 0xC0 && byte <= 0xDF)"),
    ("surrogates pass", UTF8, "byte == 0xED ? 0x9F : 0xBF", "byte == 0xED ? 0xBF : 0xBF"),
    ("characters over U+10FFFF pass", UTF8, "byte == 0xF4 ? 0x8F : 0xBF", "byte == 0xF4 ? 0xBF : 0xBF"),
    ("continuation bytes begin characters", UTF8, "return state->wanted != 0;\n    }\n    if", "return true;\n    }\n    if"),
    ("close codes are not looked at", CONTROL, "if (payload->known < 2 && !weir_close_code_is_sendable(code_of(payload)))", "if (payload->known < 2 && code_of(payload) > 65535)"),
    ("the first byte of a close code is not looked at alone", CONTROL, "if (payload->known == 0 && payload->size > 0 && !may_begin_code(payload->data[0]))", "if (payload->known > 125)"),
    ("close codes 1004 to 1006 pass", CODES, "(code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014)", "(code >= 1000 && code <= 1014)"),
    ("close codes up to 2999 pass", CODES, "(code >= 1007 && code <= 1014)", "(code >= 1007 && code <= 2999)"),
    ("close codes over 4999 pass", CODES, "(code >= 3000 && code <= 4999)", "(code >= 3000 && code <= 65535)"),
    ("close codes 1012 to 1014 are refused", CODES, "(code >= 1007 && code <= 1014)", "(code >= 1007 && code <= 1011)"),
    ("a close reason need not be UTF-8", CONTROL, "if (status != WEIR_OK || (last && !weir_utf8_is_complete(&endpoint->utf8)))", "if (status > 1 || (last && !weir_utf8_is_complete(&endpoint->utf8)))"),
    ("a close reason may end inside a character", CONTROL, "if (status != WEIR_OK || (last && !weir_utf8_is_complete(&endpoint->utf8)))", "if (status != WEIR_OK)"),
    ("what follows a Close is still read", "src/wire/endpoint_parts.h", "return endpoint->close_state <= WEIR__CLOSE_SENT;", "return endpoint->close_state < WEIR__CLOSE_GONE;"),
    ("the answer to a Close is always 1000", ENDPOINT, "weir__endpoint_append_close(endpoint, endpoint->theirs, text, size, out)", "weir__endpoint_append_close(endpoint, 1000, text, size, out)"),
    ("a Close is not answered", ENDPOINT, "if (status == WEIR_OK && endpoint->close_state == WEIR__CLOSE_OWED)", "if (status == WEIR_EINVAL)"),
    ("a pong is empty", CONTROL, "rare->pong_size = (uint8_t)payload->size;", "rare->pong_size = 0;"),
    ("a pong repeats the first payload", CONTROL, "memcpy(rare->pong, payload->data, payload->size);", "if (rare->pong_size == 0)\n            memcpy(rare->pong, payload->data, payload->size);"),
    ("a ping that comes in pieces loses its first bytes", CONTROL, "memcpy(rare->control + rare->control_size, piece->data, piece->size);", "memcpy(rare->control, piece->data, piece->size);"),
    ("several pings are answered once", "src/ws/flow/inlet.c", "notify_observer(inlet, &event.frame);\n            break;", "notify_observer(inlet, &event.frame);\n            continue;"),
    ("pings inside a message are not answered", CONTROL, "if (endpoint->close_state != WEIR__CLOSE_OPEN)", "if (endpoint->close_state != WEIR__CLOSE_OPEN || endpoint->parser.message != 0)"),
    ("a pong is answered", CONTROL, "if (endpoint->head_type == WEIR_FRAME_PING) {", "if (endpoint->head_type != WEIR_FRAME_CLOSE) {"),
    ("the mask starts anew in each piece", PARSER, "parser->phase = (parser->phase + taken) & 3;", "parser->phase = 0;"),
    ("the mask key is kept from the frame before", PARSER, "parser->key[4 - parser->wanted] = byte;", "parser->key[0] = byte;"),
    ("an error of UTF-8 closes with 1002", "src/wire/rule.c", "case WEIR_EUTF8:\n        return WEIR_CLOSE_NOT_CONSISTENT;", "case WEIR_EUTF8:\n        return WEIR_CLOSE_PROTOCOL_ERROR;"),
    ("what is too big closes with 1002", "src/wire/rule.c", "return WEIR_CLOSE_TOO_BIG;", "return WEIR_CLOSE_PROTOCOL_ERROR;"),
    ("a server does not end TCP first", CLOSING, "        end_as(endpoint, WEIR_END_CLEAN);\n        await_end_of_stream(endpoint, !endpoint->client);\n        break;\n    case WEIR__CLOSE_FAILED:",
     "        end_as(endpoint, WEIR_END_CLEAN);\n        await_end_of_stream(endpoint, endpoint->client);\n        break;\n    case WEIR__CLOSE_FAILED:"),
    ("after a violation TCP is left open", CLOSING, "endpoint->ours_is_cause = true;\n        await_end_of_stream(endpoint, true);", "endpoint->ours_is_cause = true;\n        await_end_of_stream(endpoint, false);"),
    ("the type of an echo is always text", MESSAGE, "(weir_frame){.data = data, .size = size, .type = type, .fin = true}", "(weir_frame){.data = data, .size = size, .type = 1, .fin = true}"),
    ("RSV1 of a continuation passes", PARSER, "unsigned allowed = opcode != 0 ? parser->rsv_allowed : 0;", "unsigned allowed = parser->rsv_allowed;", CODED),
    ("no limit on what is inflated", INFLATED, "bool fits = part->out_size <= room;", "bool fits = part->out_size <= SIZE_MAX;", CODED),
    ("inflated text is not checked", INFLATED, "if (weir_utf8_feed(&endpoint->utf8, part->out, size, NULL) != WEIR_OK)", "if (weir_utf8_feed(&endpoint->utf8, part->out, 0, NULL) != WEIR_OK)", CODED),
    ("inflated text may end inside a character", INFLATED, "if (fits && ends && !weir_utf8_is_complete(&endpoint->utf8))", "if (fits && ends && endpoint->utf8.wanted > 9)", CODED),
    ("the tail is not appended", CODEC, "if (drained && part->last && (status == Z_OK || status == Z_STREAM_END)) {", "if (drained && part->last && status == Z_MEM_ERROR) {", CODED),
    ("the tail is not cut off", CODEC, "part->out_size -= sizeof tail;", "part->out_size -= 0;", CODED),
    ("a message may end inside a block", CODEC, "if (drained && !is_at_end(z, status))", "if (drained && status > Z_STREAM_END)", CODED),
    ("a final block ends what is inflated", CODEC, "        inflateResetKeep(z);\n        if (z->avail_in == 0 || z->avail_out == 0)\n            break;\n", "        break;\n", CODED),
    ("the context of what comes is not kept", CODEC, "if (!codec->forget_received)", "if (codec->receiving)", CODED),
    ("the context of what is sent is kept where none may be", CODEC, "if (!codec->forget_sent)", "if (!codec->sending)", CODED),
    ("the window that was agreed on is not used", CODEC, ".window_bits = (uint8_t)(agreed_bits < bits ? agreed_bits : bits),", ".window_bits = (uint8_t)(agreed_bits < 1 ? agreed_bits : bits),", CODED),
    ("messages of any size are compressed without their window", CODEC, "part->size <= (size_t)1 << codec->kind.window_bits);", "part->size <= (size_t)1 << 30);", CODED),
    ("nothing is compressed", SENDING, "if (frame->compress == WEIR_COMPRESS_DEFAULT)\n        return frame->size >= endpoint->codec->send_min ||\n               (!frame->fin && endpoint->codec->send_min != SIZE_MAX);\n    return frame->compress == WEIR_COMPRESS_ALWAYS;", "return false;", CODED),
    ("an offer with an unknown parameter is taken", TERMS, 'return "RFC 7692 7: an unknown parameter";', "return NULL;", CODED),
    ("an offer with a parameter given twice is taken", TERMS, "if (mentions(reading, parameter))", "if (parameter > PARAMETER_COUNT)", CODED),
    ("an offer of a window under 8 is taken", TERMS, "if (number < WINDOW_BITS_MIN)", "if (number < 0)", CODED),
    ("an offer of a flag with a value is taken", TERMS, "return param->value.data == NULL ? NULL :", "return param != NULL ? NULL :", CODED),
    ("an offer of a quoted window is taken", TERMS, "param->quoted ? WEIR_EPROTOCOL : weir_ext", "weir_ext", CODED),
    ("no offer is looked at but the first", TERMS, "while (weir_extension_head_next(&extension, request,", "if (weir_extension_head_next(&extension, request,", CODED),
    ("a server does not grant that its context is forgotten", TERMS, "offered->server_no_context_takeover || !options->server_context_takeover", "!options->server_context_takeover", CODED),
    ("a server's window is wider than the client asks for", TERMS, "lesser(or_widest(options->server_max_window_bits),\n                                 or_widest(offered->server_max_window_bits));", "or_widest(options->server_max_window_bits);", CODED),
    ("a server names a window to a client that mentions none", TERMS, ".client_max_window_bits = unless_widest(client_bits),", ".client_max_window_bits = client_bits,", CODED),
    ("the window of 256 bytes is one of 1024", "src/codec/deflate_shared.c", "return bits == 8 ? -9 : -(int)bits;", "return bits == 8 ? -10 : -(int)bits;", CODED),
    ("an answer with a quoted window is accepted", TERMS, "param->quoted ? WEIR_EPROTOCOL : weir_ext", "weir_ext", ANSWERS),
    ("an answer with an unknown parameter is accepted", TERMS, 'return "RFC 7692 7: an unknown parameter";', "return NULL;", ANSWERS),
    ("an answer with a parameter given twice is accepted", TERMS, "if (mentions(reading, parameter))", "if (parameter > PARAMETER_COUNT)", ANSWERS),
    ("an answer with a window under 8 is accepted", TERMS, "if (number < WINDOW_BITS_MIN)", "if (number < 0)", ANSWERS),
    ("any version is spoken", REQUEST, 'if (!weir_view_equal(version, "13"))', "if (version.size > 99)", OPENING),
    ("a request needs no version", REQUEST, "if (version.data == NULL)\n        return refuse", "if (version.data == NULL)\n        return WEIR_OK;\n    if (version.size > 99)\n        return refuse", OPENING),
    ("a key may be short", REQUEST, "key.data, key.size) != (int)sizeof nonce)", "key.data, key.size) < 0)", OPENING),
    ("a key may be long, or no base64", REQUEST, "key.data, key.size) != (int)sizeof nonce)", "key.data, key.size) >= 0 && key.size != 24)", OPENING),
    ("a request need not ask for an upgrade", REQUEST, 'if (!weir__http_list_has(head, "Connection", "upgrade"))', "if (head == NULL)", OPENING),
    ("a request may ask for any protocol", REQUEST, 'if (!weir__http_list_has(head, "Upgrade", "websocket"))', "if (head == NULL)", OPENING),
    ("Sec-WebSocket-Accept is not looked at", RESPONSE, "if (!weir_view_equal(accept, expected))", "if (accept.size > 99)", OPENING),
    ("an answer may change to any protocol", RESPONSE, 'if (!weir_view_equal_nocase(upgrade, "websocket"))', "if (upgrade.size > 99)", OPENING),
    ("an answer need not upgrade", RESPONSE, 'if (!weir__http_list_has(&e->response->head, "Connection", "upgrade"))', "if (e == NULL)", OPENING),
    ("an answer that agrees twice is accepted", TERMS, "if (agreed != 0)", "if (agreed > 1)", ANSWERS),
]


def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, **options)


def copy_file(source, target):
    """Only files that differ are written, with the current time, so that the build compiles exactly those."""
    if not os.path.exists(target) or not filecmp.cmp(source, target, shallow=False):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(source, target)


def copy_tree():
    for name in ("src", "include", "cli", "examples", "cmake", "CMakeLists.txt"):
        source = os.path.join(ROOT, name)
        files = [source] if os.path.isfile(source) else [os.path.join(folder, file) for folder, _, files in os.walk(source) for file in files]
        for file in files:
            copy_file(file, os.path.join(COPY, os.path.relpath(file, ROOT)))


def build():
    return run("cmake", "--build", os.path.join(COPY, "build"), "--parallel", str(os.cpu_count()), "--target", "weir", "example_fuzzing_client_driver")


def configure():
    done = run("cmake", "-S", COPY, "-B", os.path.join(COPY, "build"), "-DCMAKE_BUILD_TYPE=Debug", "-DWEIR_TESTS=OFF", "-DWEIR_BENCH=OFF")
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)


def play(words):
    """The failures that the suite reports; a run that does not end is noticed too."""
    try:
        done = run(SUITE, "--build", os.path.join(COPY, "build"), *words, "--backend", "epoll", "--timeout", "2", "--enough", "20", timeout=300)
    except subprocess.TimeoutExpired:
        return ["the suite did not end"]
    lines = [line.strip() for line in done.stdout.splitlines() if line.startswith("  ") and "not tried" not in line]
    return lines or ([done.stderr[-500:]] if done.returncode != 0 else [])


def try_mutant(path, old, new, words=LIGHT):
    """None when it does not apply or does not build, else what the suite reports."""
    path = os.path.join(COPY, path)
    with open(path, encoding="utf-8") as file:
        original = file.read()
    if original.count(old) != 1:
        print(f"  stands there {original.count(old)} times: {old}")
        return None
    with open(path, "w", encoding="utf-8") as file:
        file.write(original.replace(old, new))
    try:
        built = build()
        if built.returncode != 0:
            print(built.stdout[-2000:] + built.stderr[-2000:])
            return None
        return play(words)
    finally:
        with open(path, "w", encoding="utf-8") as file:
            file.write(original)


def main(names):
    copy_tree()
    configure()
    built = build()
    failures = [built.stdout[-2000:] + built.stderr[-2000:]] if built.returncode != 0 else []
    for words in (LIGHT, CODED, ANSWERS, MASKS, OPENING) if not failures else ():
        failures += play(words)
    if failures:
        raise SystemExit("weir itself is not right: " + "\n".join(failures))
    noticed = alive = 0
    for name, *change in MUTANTS:
        if names and name not in names:
            continue
        failures = try_mutant(*change)
        if failures:
            noticed += 1
            print(f"noticed  {name}: {len(failures)} cases, such as {failures[0][:120]}", flush=True)
        else:
            alive += 1
            print(f"ALIVE    {name}", flush=True)
    print(f"{noticed} noticed, {alive} alive")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
