// bench/peers/beast_echo.cpp - an echo on Boost Beast, asynchronous on one thread, to be measured beside weir's. --deflate: it compresses without context takeover,
// --deflate=takeover: with it.
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <sys/resource.h>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;

static websocket::permessage_deflate compression;

class session : public std::enable_shared_from_this<session>
{
    websocket::stream<tcp::socket> stream;
    beast::flat_buffer buffer;

public:
    explicit session(tcp::socket socket) : stream(std::move(socket))
    {
    }

    void run()
    {
        stream.next_layer().set_option(tcp::no_delay(true));
        stream.set_option(compression);
        stream.auto_fragment(false);
        stream.read_message_max(16 * 1024 * 1024);
        stream.async_accept([self = shared_from_this()](beast::error_code error) {
            if (!error)
                self->read();
        });
    }

    void read()
    {
        stream.async_read(buffer, [self = shared_from_this()](beast::error_code error, std::size_t) {
            if (!error)
                self->write();
        });
    }

    void write()
    {
        stream.text(stream.got_text());
        stream.async_write(buffer.data(), [self = shared_from_this()](beast::error_code error, std::size_t) {
            if (error)
                return;
            self->buffer.consume(self->buffer.size());
            self->read();
        });
    }
};

static void accept(tcp::acceptor &acceptor)
{
    acceptor.async_accept([&acceptor](beast::error_code error, tcp::socket socket) {
        if (!error)
            std::make_shared<session>(std::move(socket))->run();
        accept(acceptor);
    });
}

int main(int argc, char **argv)
{
    rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    std::string mode = argc > 1 ? argv[1] : "";
    compression.server_enable = !mode.empty();
    const bool takeover = mode == "--deflate=takeover";
    compression.server_no_context_takeover = !takeover;
    compression.client_no_context_takeover = !takeover;
    compression.compLevel = takeover ? 5 : 6; // weir's defaults, all: its own are 8 and 4, and a window of 15
    compression.memLevel = takeover ? 7 : 8;
    compression.server_max_window_bits = takeover ? 14 : 15;
    asio::io_context context{1};
    tcp::acceptor acceptor{context, {asio::ip::make_address("127.0.0.1"), 0}};
    std::cout << "listening on ws://127.0.0.1:" << acceptor.local_endpoint().port() << "/" << std::endl;
    accept(acceptor);
    context.run();
}
