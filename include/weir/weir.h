/** @file
 * weir/weir.h - all of weir: sessions, servers and clients, the runtime below them, and the
 * protocol by itself.
 *
 * Five headers matter for most programs. Read them in this order:
 * - weir/session.h: send and receive;
 * - weir/server.h: serve, with the handlers of weir/handler.h;
 * - weir/client.h: connect;
 * - weir/frame.h: what is sent and received;
 * - weir/scope.h: coroutines, and what ends them.
 *
 * weir/base.h says what holds for all of them: statuses, order of arguments, limits, ownership.
 *
 * Each header also stands alone: a program that only parses frames includes weir/parser.h and links
 * libweir-wire.a. */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

/* to start with */
#include <weir/client.h>
#include <weir/frame.h>
#include <weir/scope.h>
#include <weir/server.h>
#include <weir/session.h>

/* ws: sessions */
#include <weir/handler.h>
#include <weir/limits.h>
#include <weir/reader.h>
#include <weir/upgrade.h>
#include <weir/writer.h>

/* net: byte streams */
#include <weir/address.h>
#include <weir/stream.h>

/* rt: coroutines on a loop */
#include <weir/channel.h>
#include <weir/loop.h>
#include <weir/sim.h>
#include <weir/version.h>

/* codec: compression */
#include <weir/deflate_codec.h>

/* wire: the protocol without I/O */
#include <weir/base.h>
#include <weir/buffer.h>
#include <weir/close.h>
#include <weir/codec.h>
#include <weir/collector.h>
#include <weir/deflate.h>
#include <weir/endpoint.h>
#include <weir/extension.h>
#include <weir/handshake.h>
#include <weir/head.h>
#include <weir/http.h>
#include <weir/mask.h>
#include <weir/parser.h>
#include <weir/serializer.h>
#include <weir/url.h>
#include <weir/utf8.h>
#include <weir/view.h>

#endif
