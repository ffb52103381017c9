// npm ws as one that is judged: `ws_peer.mjs server` prints its port and echoes until standard input ends; `ws_peer.mjs client URL AGENT` is
// what examples/fuzzing_client_driver.c is for weir.
import { requireWs } from "../peers/weir_echo.mjs";

const WebSocket = requireWs();
const MESSAGE_MAX = 16 << 20; // as weir has it here

// A peer that breaks a rule is answered by ws itself; the event is only that it has.
function echo(session)
{
    session.on("message", (data, binary) => session.send(data, { binary }, () => {}));
    session.on("error", () => {});
}

function serve()
{
    const server = new WebSocket.WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: { threshold: 0 }, maxPayload: MESSAGE_MAX });
    server.on("connection", echo);
    server.on("listening", () => console.log(server.address().port));
    process.stdin.on("end", () => process.exit(0)).resume();
}

async function run(url)
{
    const session = new WebSocket(url, { perMessageDeflate: { threshold: 0 }, maxPayload: MESSAGE_MAX });
    const ended = new Promise((resolve) => session.on("close", resolve));
    let first;
    session.once("message", (data) => { first = data.toString(); });
    echo(session);
    await ended;
    return first;
}

async function drive(server, agent)
{
    const count = Number(await run(`${server}/getCaseCount`));
    for (let number = 1; number <= count; number++)
        await run(`${server}/runCase?case=${number}&agent=${agent}`);
    await run(`${server}/updateReports?agent=${agent}`);
    process.exit(0); // deadlines of connections that have ended are not waited for
}

const [role, ...words] = process.argv.slice(2);
if (role === "server")
    serve();
else
    await drive(...words);
