#include <weir/deflate.h>

#include "wire/text.h"

#include <weir/extension.h>

#define WINDOW_BITS_MIN 8
#define WINDOW_BITS_MAX 15
#define LEVEL_MAX       9

static const char extension_name[] = "permessage-deflate";

enum parameter {
    SERVER_NO_TAKEOVER,
    CLIENT_NO_TAKEOVER,
    SERVER_WINDOW,
    CLIENT_WINDOW,
    PARAMETER_COUNT,
};

static const char *const parameter_names[PARAMETER_COUNT] = {
    [SERVER_NO_TAKEOVER] = "server_no_context_takeover",
    [CLIENT_NO_TAKEOVER] = "client_no_context_takeover",
    [SERVER_WINDOW] = "server_max_window_bits",
    [CLIENT_WINDOW] = "client_max_window_bits",
};

static bool is_window(uint8_t bits)
{
    return bits == 0 || (bits >= WINDOW_BITS_MIN && bits <= WINDOW_BITS_MAX);
}

static uint8_t or_widest(uint8_t bits)
{
    return bits != 0 ? bits : WINDOW_BITS_MAX;
}

static uint8_t lesser(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

bool weir_deflate_options_is_valid(const weir_deflate_options *options)
{
    return is_window(options->server_max_window_bits) &&
           is_window(options->client_max_window_bits) && options->level <= LEVEL_MAX &&
           options->memory_level <= LEVEL_MAX;
}

/* --- reading --- */

/* The parameters of one offer or answer. */
struct reading {
    weir_deflate_terms terms;
    unsigned mentioned; /* a bit for each enum parameter */
    weir_view at;       /* the parameter that breaks a rule */
};

static bool mentions(const struct reading *reading, enum parameter parameter)
{
    return (reading->mentioned & 1u << parameter) != 0;
}

static const char *read_flag(const weir_extension_param *param, bool *flag)
{
    *flag = true;
    return param->value.data == NULL ? NULL : "RFC 7692 7.1.1: a context takeover with a value";
}

/* A quoted value is correct HTTP, but not the decimal number that the section asks for. */
static const char *read_window(const weir_extension_param *param, uint8_t *bits)
{
    int number =
        param->quoted ? WEIR_EPROTOCOL : weir_extension_param_number(param, WINDOW_BITS_MAX);
    if (number < WINDOW_BITS_MIN)
        return "RFC 7692 7.1.2: a window that is not 8 to 15";
    *bits = (uint8_t)number;
    return NULL;
}

static const char *read_value(struct reading *reading, const weir_extension_param *param,
                              enum parameter parameter, bool is_offer)
{
    switch (parameter) {
    case SERVER_NO_TAKEOVER:
        return read_flag(param, &reading->terms.server_no_context_takeover);
    case CLIENT_NO_TAKEOVER:
        return read_flag(param, &reading->terms.client_no_context_takeover);
    case SERVER_WINDOW:
        return read_window(param, &reading->terms.server_max_window_bits);
    case CLIENT_WINDOW:
        if (is_offer && param->value.data == NULL) /* 7.1.2.2: the server may choose */
            return NULL;
        return read_window(param, &reading->terms.client_max_window_bits);
    case PARAMETER_COUNT:
        break;
    }
    return "RFC 7692 7: an unknown parameter";
}

static enum parameter parameter_of(weir_view name)
{
    for (unsigned i = 0; i < PARAMETER_COUNT; i++)
        if (weir_view_equal(name, parameter_names[i]))
            return (enum parameter)i;
    return PARAMETER_COUNT;
}

/* Returns the rule that is broken, at reading->at; NULL: none. */
static const char *read_params(struct reading *reading, weir_view params, bool is_offer)
{
    weir_extension_param param;
    *reading = (struct reading){0};
    while (weir_extension_param_next(&param, &params) > 0) {
        enum parameter parameter = parameter_of(param.name);
        reading->at = param.name;
        if (mentions(reading, parameter))
            return "RFC 7692 7: a parameter given twice";
        const char *rule = read_value(reading, &param, parameter, is_offer);
        if (rule != NULL)
            return rule;
        reading->mentioned |= 1u << parameter;
    }
    return NULL;
}

/* --- writing --- */

static void put_flag(weir__text *text, enum parameter parameter, bool flag)
{
    if (!flag)
        return;
    weir__text_put_string(text, "; ");
    weir__text_put_string(text, parameter_names[parameter]);
}

static void put_window(weir__text *text, enum parameter parameter, uint8_t bits)
{
    if (bits == 0)
        return;
    put_flag(text, parameter, true);
    weir__text_put_string(text, "=");
    weir__text_put_number(text, bits);
}

int weir_deflate_answer_write(char *out, size_t capacity, const weir_deflate_terms *terms)
{
    weir__text text = {.out = out, .capacity = capacity};
    weir__text_put_string(&text, extension_name);
    put_flag(&text, SERVER_NO_TAKEOVER, terms->server_no_context_takeover);
    put_flag(&text, CLIENT_NO_TAKEOVER, terms->client_no_context_takeover);
    put_window(&text, SERVER_WINDOW, terms->server_max_window_bits);
    put_window(&text, CLIENT_WINDOW, terms->client_max_window_bits);
    return weir__text_end(&text);
}

/* A value of 15 means the same as none, and some peers accept no value. */
static uint8_t unless_widest(uint8_t bits)
{
    return bits == WINDOW_BITS_MAX ? 0 : bits;
}

int weir_deflate_offer_write(char *out, size_t capacity, const weir_deflate_options *options)
{
    weir__text text = {.out = out, .capacity = capacity};
    uint8_t client_bits = unless_widest(options->client_max_window_bits);
    if (!weir_deflate_options_is_valid(options))
        return WEIR_EINVAL;
    weir__text_put_string(&text, extension_name);
    put_flag(&text, SERVER_NO_TAKEOVER, !options->server_context_takeover);
    put_flag(&text, CLIENT_NO_TAKEOVER, !options->client_context_takeover);
    put_window(&text, SERVER_WINDOW, unless_widest(options->server_max_window_bits));
    put_flag(&text, CLIENT_WINDOW, client_bits == 0);
    put_window(&text, CLIENT_WINDOW, client_bits);
    return weir__text_end(&text);
}

/* --- the server's choice --- */

/* Whether an offer can be taken; *terms then join our options and the client's. */
static bool agree(weir_deflate_terms *terms, const struct reading *offer,
                  const weir_deflate_options *options)
{
    const weir_deflate_terms *offered = &offer->terms;
    uint8_t server_bits = lesser(or_widest(options->server_max_window_bits),
                                 or_widest(offered->server_max_window_bits));
    uint8_t client_bits = lesser(or_widest(options->client_max_window_bits),
                                 or_widest(offered->client_max_window_bits));
    *terms = (weir_deflate_terms){
        .server_no_context_takeover =
            offered->server_no_context_takeover || !options->server_context_takeover,
        .client_no_context_takeover =
            offered->client_no_context_takeover || !options->client_context_takeover,
        .server_max_window_bits =
            mentions(offer, SERVER_WINDOW) ? server_bits : unless_widest(server_bits),
        .client_max_window_bits = unless_widest(client_bits),
    };
    /* 7.1.2.2: a client that does not mention its window must not be told one. */
    return mentions(offer, CLIENT_WINDOW) || terms->client_max_window_bits == 0;
}

bool weir_deflate_choose(weir_deflate_terms *out, const weir_http_head *request,
                         const weir_deflate_options *options)
{
    weir_http_cursor cursor = {0};
    weir_extension extension;
    struct reading offer;
    while (weir_extension_head_next(&extension, request, &cursor) > 0)
        if (weir_view_equal(extension.name, extension_name) &&
            read_params(&offer, extension.params, true) == NULL && agree(out, &offer, options))
            return true;
    return false;
}

/* --- the client's check --- */

/* What the server must grant when it takes our offer (7.1.1.1, 7.1.2.1), and may not exceed
 * (7.1.2.2). */
static const char *check_answer(const weir_deflate_terms *answer,
                                const weir_deflate_options *options)
{
    uint8_t asked = unless_widest(options->server_max_window_bits);
    if (!options->server_context_takeover && !answer->server_no_context_takeover)
        return "RFC 7692 7.1.1.1: server_no_context_takeover is not granted";
    if (asked != 0 && or_widest(answer->server_max_window_bits) > asked)
        return "RFC 7692 7.1.2.1: server_max_window_bits is over what was asked for";
    if (answer->client_max_window_bits > or_widest(options->client_max_window_bits))
        return "RFC 7692 7.1.2.2: client_max_window_bits is over what was offered";
    return NULL;
}

static int refuse_answer(weir_fault *fault, weir_view at, const void *in, const char *rule)
{
    if (fault != NULL)
        *fault = (weir_fault){WEIR_EPROTOCOL, (size_t)(at.data - (const char *)in), rule};
    return WEIR_EPROTOCOL;
}

int weir_deflate_answer_parse(weir_deflate_terms *out, const weir_http_head *answer, const void *in,
                              const weir_deflate_options *options, weir_fault *fault)
{
    weir_http_cursor cursor = {0};
    weir_extension extension;
    struct reading reading;
    int agreed = 0;
    while (weir_extension_head_next(&extension, answer, &cursor) > 0) {
        if (!weir_view_equal(extension.name, extension_name))
            continue;
        if (agreed != 0)
            return refuse_answer(fault, extension.name, in, "RFC 7692 5: agreed on twice");
        const char *rule = read_params(&reading, extension.params, false);
        if (rule != NULL)
            return refuse_answer(fault, reading.at, in, rule);
        rule = check_answer(&reading.terms, options);
        if (rule != NULL)
            return refuse_answer(fault, extension.name, in, rule);
        agreed = 1;
        *out = reading.terms;
    }
    return agreed;
}
