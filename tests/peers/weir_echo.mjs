// What the tests in JavaScript share: npm ws, `weir echo` as a process, and how a list of facts is run.
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import assert from "node:assert/strict";

const DEADLINE = 30000; // milliseconds for one fact, and for a process to end: only a hang takes so long
export const SIZES = [0, 1, 125, 126, 127, 65535, 65536, 1 << 20];
export const TEXT = "\0 aé κόσμε 鼎 😀 \u{10ffff}"; // characters of one to four bytes

// An import looks for packages beside this file alone; require() heeds NODE_PATH.
export function requireWs()
{
    try {
        return createRequire(import.meta.url)("ws");
    } catch (missing) {
        if (missing.code !== "MODULE_NOT_FOUND")
            throw missing;
        console.log("skipped: npm ws is not installed");
        process.exit(77);
    }
}

// A promise of a value, or of a failure when it takes too long.
function inTime(promise, what)
{
    let timer;
    const late = new Promise((_, fail) => {
        timer = setTimeout(() => fail(new Error(`${what} takes too long`)), DEADLINE);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Waits for a condition, as long as a fact may take.
export async function until(holds)
{
    while (!holds())
        await new Promise((resolve) => setTimeout(resolve, 20));
}

const running = new Set(); // ends with this process, whatever happens
process.on("exit", () => running.forEach((process) => process.kill("SIGKILL")));

// A running `weir echo`: url while it serves; stop() ends it, which has to be with status 0.
class Echo {
    static async start({ url = "ws://127.0.0.1:0/echo", options = [] })
    {
        const echo = new Echo();
        echo.said = [];
        echo.askedToEnd = false;
        echo.process = spawn(process.env.WEIR_BIN, ["echo", url, ...options],
                             { stdio: ["ignore", "ignore", "pipe"] });
        running.add(echo.process);
        echo.ended = new Promise((resolve) => {
            echo.process.on("close", (status, signal) => {
                running.delete(echo.process);
                resolve(status ?? signal);
            });
        });
        const lines = createInterface({ input: echo.process.stderr });
        lines.on("line", (line) => echo.said.push(line));
        await inTime(Promise.race([echo.ended, until(() => echo.said.length > 0)]), "weir echo");
        assert.match(echo.said[0] ?? "", /^listening on /, echo.said.join("\n"));
        echo.url = echo.said[0].split(" ").at(-1);
        return echo;
    }

    // Once: the second signal would end it without closing anything.
    terminate()
    {
        if (!this.askedToEnd)
            this.process.kill("SIGTERM");
        this.askedToEnd = true;
    }

    async stop()
    {
        this.terminate();
        try {
            assert.equal(await inTime(this.ended, "the end of weir echo"), 0, "exit status");
        } catch (failure) {
            console.log(this.said.join("\n"));
            throw failure;
        }
    }

    // How many files and sockets it has open.
    descriptors()
    {
        return readdirSync(`/proc/${this.process.pid}/fd`).length;
    }
}

export async function withEcho(how, body)
{
    const echo = await Echo.start(how);
    try {
        await body(echo);
    } finally {
        await echo.stop();
    }
}

async function runFact(name, body)
{
    try {
        await inTime(body(), name);
        console.log(`ok      ${name}`);
        return true;
    } catch (failure) {
        console.log(`FAILED  ${name}\n${failure.stack}`);
        return false;
    }
}

// Runs what holds of a server in each of its shapes (facts that get the Echo), then what needs a server
// of its own; ends the process with the status.
export async function run(inEachShape, alone)
{
    const place = mkdtempSync(join(tmpdir(), "weir-peers-"));
    const shapes = {
        "a coroutine a session": {},
        "a function a message": { options: ["--on-message"] },
        "pieces": { options: ["--stream"] },
        "two threads": { options: ["--threads", "2"] },
        "a Unix socket": { url: `ws+unix:${place}/socket:/echo` },
    };
    const held = [];
    for (const [shape, how] of Object.entries(shapes))
        held.push(await runFact(`all that follows ends well (${shape})`, () => withEcho(how, async (echo) => {
            for (const fact of inEachShape)
                held.push(await runFact(`${fact.name} (${shape})`, () => fact(echo)));
        })));
    rmSync(place, { recursive: true });
    for (const fact of alone)
        held.push(await runFact(fact.name, fact));
    const failed = held.filter((ok) => !ok).length;
    console.log(`${held.length - failed} hold, ${failed} do not`);
    process.exit(failed === 0 ? 0 : 1);
}
