#!/usr/bin/env bash
# ctest: once
# --deflate of the command: its settings are read, wrong ones are usage errors, and both ends talk with it.
set -euo pipefail

scratch=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$scratch"' EXIT
server=
if [[ " $("$WEIR_BIN" --version) " != *" deflate "* ]]; then
    echo "skipped: built without zlib"
    exit 77
fi

for wrong in "" level level=0 level=10 level=1x memory=10 server-window=7 client-window=16 min= min=-1 takeover=1 x "takeover," ",level=1"; do
    for command in echo connect; do
        status=0
        "$WEIR_BIN" "$command" ws://127.0.0.1:1/ "--deflate=$wrong" 2>"$scratch/said" </dev/null || status=$?
        if [ "$status" -ne 2 ] || [ "$(wc -l <"$scratch/said")" -ne 1 ]; then
            echo "weir $command --deflate=$wrong: status $status" >&2
            cat "$scratch/said" >&2
            exit 1
        fi
    done
done

"$WEIR_BIN" echo ws://127.0.0.1:0/ --deflate=takeover,server-window=9,client-window=10,level=1,memory=9,min=1 2>"$scratch/server" &
server=$!
until grep -q '^listening on ' "$scratch/server"; do
    kill -0 "$server"
    sleep 0.05
done
url=$(sed -n 's/^listening on //p' "$scratch/server")
seq 2000 >"$scratch/lines"
for client in --deflate --deflate=takeover,min=1 --deflate=client-takeover,server-window=8,client-window=8; do
    "$WEIR_BIN" connect "$url" "$client" --exit-on-eof <"$scratch/lines" >"$scratch/answers"
    cmp "$scratch/lines" "$scratch/answers"
done
kill "$server"
wait "$server"
