// bench/peers/ws_echo.mjs - an echo on npm ws, to be measured beside weir's. --deflate: it compresses without context takeover, --deflate=takeover: with it.
import { createRequire } from "node:module";

const { WebSocketServer } = createRequire(import.meta.url)("ws"); // uses NODE_PATH, which an import does not
const mode = process.argv[2] ?? "";
const apart = mode !== "--deflate=takeover";
const server = new WebSocketServer({
    host: "127.0.0.1",
    port: 0,
    backlog: 4096,
    maxPayload: 16 * 1024 * 1024,
    perMessageDeflate: mode !== "" && {
        serverNoContextTakeover: apart,
        clientNoContextTakeover: apart,
        threshold: 128,
        zlibDeflateOptions: { level: 6 },
    },
});
server.on("connection", (session) => {
    session.on("message", (data, binary) => session.send(data, { binary }));
    session.on("error", () => {});
});
server.on("listening", () => console.log(`listening on ws://127.0.0.1:${server.address().port}/`));
