#include "bench_report.h"

#include <inttypes.h>
#include <stdio.h>

/* From this share of a core on, the run measures the generator and not the server. */
#define SATURATED 0.95

struct result {
    double seconds;
    double messages;   /* or handshakes */
    double streamed;   /* messages of the streaming connections */
    double own_cpu;    /* cores */
    double server_cpu; /* cores */
    double server_us;  /* a message, all messages counted */
    double server_user_us;
    double server_bytes; /* in RAM, a connection */
};

static double per(double amount, double count)
{
    return count > 0 ? amount / count : 0;
}

static struct result make_result(const bench_run *run)
{
    struct result result = {
        .seconds = (double)(run->end_ns - run->start_ns) / 1e9,
        .messages = (double)run->loads[BENCH_MEASURED].answered,
        .streamed = (double)run->loads[BENCH_STREAMING].answered,
    };
    double cpu_ns = (double)(run->end.cpu_ns - run->start.cpu_ns);
    double count = result.messages + result.streamed;
    result.own_cpu = per((double)run->busy_ns / 1e9, result.seconds);
    result.server_cpu = per(cpu_ns / 1e9, result.seconds);
    result.server_us = per(cpu_ns / 1e3, count);
    result.server_user_us = per((double)(run->end.user_ns - run->start.user_ns) / 1e3, count);
    result.server_bytes =
        per(((double)run->open.memory_kib - (double)run->before.memory_kib) * 1024,
            (double)run->connection_count);
    return result;
}

static const char *what_of(const bench_run *run)
{
    return run->handshakes ? "handshakes" : "messages";
}

static double megabytes(const bench_run *run, size_t load)
{
    return (double)run->loads[load].answered * (double)run->loads[load].ring.message_size / 1e6;
}

static void report_load(const bench_run *run, const struct result *result)
{
    const bench_load *load = &run->loads[BENCH_MEASURED];
    printf("%s: %zu connections, %zu in flight each, %s of %zu bytes%s\n", run->url_text,
           load->connection_count, load->depth,
           load->ring.type == WEIR_FRAME_TEXT ? "text" : "binary", load->ring.message_size,
           run->deflate.options.enabled ? ", compressed" : "");
    printf("  %-10s %.0f in %.2f s: %.0f a second", what_of(run), result->messages, result->seconds,
           per(result->messages, result->seconds));
    if (!run->handshakes)
        printf(", %.1f MB/s each way", per(megabytes(run, BENCH_MEASURED), result->seconds));
    printf("\n  latency    median %.1f us, 99 %% within %.1f us, largest %.1f us\n",
           bench_histogram_quantile_us(&load->latency, 0.5),
           bench_histogram_quantile_us(&load->latency, 0.99),
           (double)load->latency.largest_ns / 1e3);
    if (load->late > 0)
        printf("  held back  %" PRIu64 " messages of the rate: answers had not come yet\n",
               load->late);
    if (run->loads[BENCH_STREAMING].connection_count > 0)
        printf("  streams    %.1f MB/s each way\n",
               per(megabytes(run, BENCH_STREAMING), result->seconds));
}

void bench_report(const bench_run *run)
{
    struct result result = make_result(run);
    report_load(run, &result);
    printf("  generator  %.0f %% of a core\n", result.own_cpu * 100);
    if (run->pid != 0) {
        printf("  server     %.0f %% of a core, %.3f us a message (user part %.3f)\n",
               result.server_cpu * 100, result.server_us, result.server_user_us);
        printf("  memory     %zu KiB without connections, %zu KiB with %zu: %.0f bytes each\n",
               run->before.memory_kib, run->open.memory_kib, run->connection_count,
               result.server_bytes);
    }
    if (result.own_cpu >= SATURATED)
        printf("  The generator was the bottleneck: the server could have done more.\n");
}

void bench_report_json(const bench_run *run)
{
    const bench_load *load = &run->loads[BENCH_MEASURED];
    struct result result = make_result(run);
    printf("{\"kind\": \"%s\", \"connections\": %zu, \"depth\": %zu, \"size\": %zu, \"idle\": %zu, "
           "\"streams\": %zu, ",
           what_of(run), load->connection_count, load->depth, load->ring.message_size,
           run->loads[BENCH_IDLE].connection_count, run->loads[BENCH_STREAMING].connection_count);
    printf(
        "\"seconds\": %.6f, \"count\": %.0f, \"per_second\": %.3f, \"megabytes_per_second\": %.6f, "
        "\"held_back\": %" PRIu64 ", \"stream_megabytes_per_second\": %.6f, ",
        result.seconds, result.messages, per(result.messages, result.seconds),
        per(megabytes(run, BENCH_MEASURED), result.seconds), load->late,
        per(megabytes(run, BENCH_STREAMING), result.seconds));
    printf("\"latency_us\": {\"median\": %.3f, \"p99\": %.3f, \"largest\": %.3f}, ",
           bench_histogram_quantile_us(&load->latency, 0.5),
           bench_histogram_quantile_us(&load->latency, 0.99),
           (double)load->latency.largest_ns / 1e3);
    printf("\"generator\": {\"cpu\": %.4f, \"saturated\": %s}", result.own_cpu,
           result.own_cpu >= SATURATED ? "true" : "false");
    if (run->pid != 0)
        printf(", \"server\": {\"cpu\": %.4f, \"cpu_ns\": %" PRIu64 ", \"user_ns\": %" PRIu64
               ", \"us_per_message\": %.6f, \"user_us_per_message\": %.6f, "
               "\"memory_kib\": [%zu, %zu], \"bytes_per_connection\": %.1f}",
               result.server_cpu, run->end.cpu_ns - run->start.cpu_ns,
               run->end.user_ns - run->start.user_ns, result.server_us, result.server_user_us,
               run->before.memory_kib, run->open.memory_kib, result.server_bytes);
    printf("}\n");
}
