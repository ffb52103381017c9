// A server of npm ws for weir's clients. Prints its port, serves until standard input ends. Its paths and
// orders are those of peer_server.py.
import { requireWs } from "./weir_echo.mjs";

const { WebSocketServer } = requireWs();
let last = "";

const orders = {
    fragments(session, ...words) {
        words.forEach((word, i) => session.send(word, { fin: i === words.length - 1 }));
    },
    ping(session, payload) {
        session.once("pong", (answer) => session.send(`pong ${answer}`));
        session.ping(payload);
    },
    close(session, code, ...reason) {
        session.close(code && Number(code), reason.join(" "));
    },
    raw(session, digits) {
        session._socket.write(Buffer.from(digits, "hex"));
    },
    abort(session) {
        session.terminate();
    },
    reset(session) {
        session._socket.resetAndDestroy();
    },
};

const paths = {
    "/echo": (session) => {
        session.on("message", (data, binary) => session.send(data, { binary }));
    },
    "/seen": (session, request) => {
        const fields = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`);
        session.send([request.url, ...fields].join("\n"));
        session.close(1000);
    },
    "/last": (session) => {
        session.send(last);
        session.close(1000);
    },
    "/obey": (session) => {
        session.on("message", (order) => {
            const [name, ...words] = order.toString().split(" ");
            orders[name](session, ...words);
        });
    },
};

const server = new WebSocketServer({
    host: "127.0.0.1",
    port: 0,
    perMessageDeflate: true,
    handleProtocols: (offered) => offered.has("beta") && "beta",
    verifyClient: ({ req }, answer) => answer(req.url !== "/refuse", 403, "no entry"),
});

server.on("connection", (session, request) => {
    const path = request.url.split("?")[0];
    if (path !== "/last")
        session.on("close", (code, reason) => { last = `${code} ${reason}`; });
    session.on("error", () => {}); // only what weir reports counts
    paths[path](session, request);
});

server.on("listening", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
