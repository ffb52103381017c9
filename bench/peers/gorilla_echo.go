// bench/peers/gorilla_echo.go - an echo on gorilla/websocket, on one processor, to be measured beside weir's. --deflate: it
// compresses (it knows no context takeover).
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

func echo(writer http.ResponseWriter, request *http.Request) {
	connection, err := upgrader.Upgrade(writer, request, nil)
	if err != nil {
		return
	}
	defer connection.Close()
	for {
		kind, message, err := connection.ReadMessage()
		if err != nil || kind == websocket.TextMessage && !utf8.Valid(message) {
			return
		}
		if connection.WriteMessage(kind, message) != nil {
			return
		}
	}
}

func main() {
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) == nil {
		files.Cur = files.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files)
	}
	upgrader.EnableCompression = len(os.Args) > 1
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening on ws://%s/\n", listener.Addr())
	panic(http.Serve(listener, http.HandlerFunc(echo)))
}
