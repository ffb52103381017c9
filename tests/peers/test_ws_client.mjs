#!/usr/bin/env node
// ctest: timeout=120 loops
// `weir echo` serves the clients of npm ws, in each of its shapes.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { SIZES, TEXT, requireWs, run, until, withEcho } from "./weir_echo.mjs";

const WebSocket = requireWs();

// An open client that remembers what comes: messages as strings or buffers, its end as { code, reason, clean }.
async function open(echo, options = {})
{
    const client = new WebSocket(echo.url, options);
    client.messages = [];
    client.on("message", (data, isBinary) => client.messages.push(isBinary ? data : data.toString()));
    client.end = new Promise((resolve) => {
        client.on("close", (code, reason) => resolve({
            code, reason: reason.toString(), clean: client._closeFrameReceived && client._closeFrameSent,
        }));
    });
    client.on("error", (error) => { client.failure = error; });
    await Promise.race([once(client, "open"), client.end]);
    assert.equal(client.readyState, WebSocket.OPEN, String(client.failure));
    return client;
}

async function withClient(echo, options, body)
{
    const client = await open(echo, options);
    try {
        await body(client);
    } finally {
        client.terminate();
        await client.end;
    }
}

async function take(client)
{
    if (client.messages.length === 0)
        await Promise.race([once(client, "message"), client.end]);
    assert.notEqual(client.messages.length, 0, "the end instead of a message");
    return client.messages.shift();
}

async function expectEcho(client, message)
{
    client.send(message);
    assert.deepEqual(await take(client), message);
}

async function expectEnd(client, code, reason)
{
    const end = await client.end;
    assert.equal(end.code, code);
    assert.ok(end.clean, "a Close each way");
    if (reason !== undefined)
        assert.equal(end.reason, reason);
}

async function ping(client, payload)
{
    const pong = once(client, "pong");
    client.ping(payload);
    assert.deepEqual((await pong)[0], Buffer.from(payload));
}

// --- what holds in each shape of the server ---

const inEachShape = [
    function messages_of_every_size_come_back(echo) {
        return withClient(echo, {}, async (client) => {
            for (const size of SIZES) {
                await expectEcho(client, randomBytes(size));
                await expectEcho(client, "x".repeat(size));
            }
        });
    },

    function text_of_every_plane_comes_back(echo) {
        return withClient(echo, {}, (client) => expectEcho(client, TEXT.repeat(1000)));
    },

    function fragments_come_back_as_one_message(echo) {
        return withClient(echo, {}, async (client) => {
            for (const parts of [["a", "", "bc"], new Array(300).fill("é"), ["x".repeat(70000), "end"]]) {
                for (const part of parts)
                    client.send(part, { fin: false });
                client.send("", { fin: true });
                assert.equal(await take(client), parts.join(""));
            }
        });
    },

    function a_character_may_be_cut_by_fragments(echo) {
        return withClient(echo, {}, async (client) => {
            for (const byte of Buffer.from(TEXT))
                client.send(Buffer.of(byte), { binary: false, fin: false });
            client.send(Buffer.alloc(0), { binary: false, fin: true });
            assert.equal(await take(client), TEXT);
        });
    },

    function pings_are_answered_with_their_payload(echo) {
        return withClient(echo, {}, async (client) => {
            for (const payload of ["one", "", "p".repeat(125)])
                await ping(client, payload);
        });
    },

    function a_ping_between_fragments_is_answered_before_the_message(echo) {
        return withClient(echo, {}, async (client) => {
            client.send("begun", { fin: false });
            await ping(client, "amid");
            client.send(", ended", { fin: true });
            assert.equal(await take(client), "begun, ended");
        });
    },

    async function a_hundred_clients_are_served_at_once(echo) {
        const clients = await Promise.all(Array.from({ length: 100 }, () => open(echo)));
        for (let turn = 0; turn < 3; turn++)
            await Promise.all(clients.map((client, i) => expectEcho(client, `${turn} ${i}`)));
        for (const client of clients)
            client.close(1000);
        await Promise.all(clients.map((client) => expectEnd(client, 1000)));
    },

    function ten_thousand_pipelined_messages_come_back_in_order(echo) {
        return withClient(echo, { perMessageDeflate: false }, async (client) => {
            const sent = Array.from({ length: 10000 }, (_, i) => String(i));
            for (const message of sent)
                client.send(message);
            await Promise.race([until(() => client.messages.length >= sent.length), client.end]);
            assert.deepEqual(client.messages, sent);
        });
    },

    function messages_before_a_close_are_answered_first(echo) {
        return withClient(echo, {}, async (client) => {
            const sent = Array.from({ length: 100 }, (_, i) => String(i));
            for (const message of sent)
                client.send(message);
            client.close(1000);
            await expectEnd(client, 1000);
            assert.deepEqual(client.messages, sent);
        });
    },

    async function a_close_is_answered_with_its_code_and_reason(echo) {
        for (const [code, reason] of [[1000, ""], [1001, "going"], [3000, "é".repeat(61)], [4999, "r".repeat(123)]])
            await withClient(echo, {}, async (client) => {
                await expectEcho(client, "before");
                client.close(code, reason);
                await expectEnd(client, code, reason);
            });
    },

    function a_close_without_a_code_is_answered_without_one(echo) {
        return withClient(echo, {}, async (client) => {
            client.close();
            await expectEnd(client, 1005, "");
        });
    },

    function invalid_utf8_is_refused_with_1007(echo) {
        return withClient(echo, {}, async (client) => {
            client.send(Buffer.from("ok so far \xff", "latin1"), { binary: false });
            await expectEnd(client, 1007);
        });
    },

    function compression_is_not_agreed_on_unasked(echo) {
        return withClient(echo, { perMessageDeflate: true }, async (client) => {
            assert.equal(client.extensions, "");
            await expectEcho(client, "plain".repeat(1000));
        });
    },
];

// --- what needs a server of its own ---

const alone = [
    async function a_message_over_the_limit_is_refused_with_1009() {
        for (const options of [["--max-message", "1000"], ["--max-frame", "1000", "--max-message", "none"]])
            await withEcho({ options }, async (echo) => {
                for (const size of [1001, 8 << 20]) // a large one is still in flight
                    await withClient(echo, {}, async (client) => {
                        await expectEcho(client, "x".repeat(1000));
                        client.send(Buffer.alloc(size));
                        await expectEnd(client, 1009);
                    });
            });
    },

    function fragments_over_the_limit_together_are_refused_with_1009() {
        return withEcho({ options: ["--max-message", "1000"] }, (echo) => withClient(echo, {}, async (client) => {
            client.send("x".repeat(500), { fin: false });
            client.send("x".repeat(500), { fin: true });
            assert.equal(await take(client), "x".repeat(1000));
            client.send("x".repeat(500), { fin: false });
            client.send("x".repeat(501), { fin: true });
            await expectEnd(client, 1009);
        }));
    },

    function sigterm_closes_every_session_with_1001() {
        return withEcho({ options: ["--threads", "2"] }, async (echo) => {
            const clients = await Promise.all(Array.from({ length: 20 }, () => open(echo)));
            await Promise.all(clients.map((client) => expectEcho(client, "here")));
            echo.terminate();
            await Promise.all(clients.map((client) => expectEnd(client, 1001)));
        });
    },

    function clients_that_vanish_leave_nothing_behind() {
        return withEcho({}, async (echo) => {
            const before = echo.descriptors();
            const clients = await Promise.all(Array.from({ length: 20 }, () => open(echo)));
            await Promise.all(clients.map((client) => expectEcho(client, "here")));
            assert.ok(echo.descriptors() >= before + 20);
            for (const client of clients.slice(0, 10))
                client._socket.write(Buffer.of(0x82, 0xfe)); // in the middle of a frame
            for (const client of clients)
                client.terminate();
            await until(() => echo.descriptors() <= before);
            await withClient(echo, {}, (client) => expectEcho(client, "still serving"));
        });
    },

    function a_client_that_answers_no_ping_is_closed_with_1011() {
        return withEcho({ options: ["--ping-interval", "20", "--ping-timeout", "50"] },
                        (echo) => withClient(echo, {}, (client) => {
                            client.pong = () => {}; // what ws answers a ping with
                            return expectEnd(client, 1011);
                        }));
    },

    function a_client_that_answers_pings_stays() {
        return withEcho({ options: ["--ping-interval", "10", "--ping-timeout", "10000"] },
                        (echo) => withClient(echo, {}, async (client) => {
                            for (let i = 0; i < 5; i++)
                                await once(client, "ping");
                            await expectEcho(client, "here");
                        }));
    },
];

await run(inEachShape, alone);
