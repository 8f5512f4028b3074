#include "echo.h"

#include <pthread.h>

viaduct_bytes text(const char *text) {
    return viaduct_text(text);
}

// Handlers run on the library's threads: a check that fails must not jump out of there, so they abort.
#define MUST(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, viaduct_error_message()); \
            abort(); \
        } \
    } while (0)

// Sends back what was asked for in the metadata: a header x-header, a trailer trail-bin.
static viaduct_metadata *copy_of(viaduct_server_call *call, const char *key) {
    viaduct_bytes value;
    viaduct_metadata *copy = NULL;
    if (viaduct_metadata_find(viaduct_server_call_metadata(call), key, 0, &value) == VIADUCT_RESULT_OK) {
        MUST(viaduct_metadata_new(&copy) == VIADUCT_RESULT_OK);
        MUST(viaduct_metadata_append(copy, key, value) == VIADUCT_RESULT_OK);
    }
    return copy;
}

static void send_headers(viaduct_server_call *call) {
    viaduct_metadata *headers = copy_of(call, "x-header");
    if (headers) MUST(viaduct_server_call_send_headers(call, headers) == VIADUCT_RESULT_OK);
    viaduct_metadata_free(headers);
}

static void reply(viaduct_server_call *call, viaduct_bytes message) {
    viaduct_metadata *trailers = copy_of(call, "trail-bin");
    // The client may have gone.
    viaduct_server_call_reply(call, message, trailers);
    viaduct_metadata_free(trailers);
}

static void unary(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    send_headers(call);
    reply(call, viaduct_server_call_request(call));
    viaduct_server_call_free(call);
}

static void fail_call(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    viaduct_status *status;
    MUST(viaduct_status_new(VIADUCT_CODE_NOT_FOUND, "nö: 100 %", &status) == VIADUCT_RESULT_OK);
    viaduct_bytes detail = {(const uint8_t *)"\x01\0\x02", 3};
    MUST(viaduct_status_add_detail(status, "type.googleapis.com/t.Detail", detail) == VIADUCT_RESULT_OK);
    viaduct_metadata *trailers = copy_of(call, "trail-bin");
    viaduct_server_call_finish(call, status, trailers);
    viaduct_metadata_free(trailers);
    viaduct_status_free(status);
    viaduct_server_call_free(call);
}

static void *answer(void *given) {
    viaduct_server_call *call = given;
    reply(call, viaduct_server_call_request(call));
    viaduct_server_call_free(call);
    return NULL;
}

static void later(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    pthread_t thread;
    MUST(pthread_create(&thread, NULL, answer, call) == 0);
    MUST(pthread_detach(thread) == 0);
}

static void forget(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    viaduct_server_call_free(call);
}

static void over(void *call, viaduct_event *event) {
    MUST(event->kind == VIADUCT_EVENT_OVER);
    viaduct_server_call_free(call);
}

// Never answers: the call goes when its client does.
static void hang(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    viaduct_completion told = {NULL, over, call};
    MUST(viaduct_server_call_over_start(call, told) == VIADUCT_RESULT_OK);
}

// The request once for each of its bytes.
static void expand(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    send_headers(call);
    viaduct_bytes request = viaduct_server_call_request(call);
    viaduct_result result = VIADUCT_RESULT_OK;
    for (size_t n = 0; n < request.length && result == VIADUCT_RESULT_OK; n++)
        result = viaduct_server_call_write(call, request, -1);
    viaduct_server_call_finish(call, NULL, NULL);
    viaduct_server_call_free(call);
}

// All requests together.
static void collect(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    uint8_t *all = NULL;
    size_t length = 0;
    viaduct_buffer message;
    viaduct_result result;
    while ((result = viaduct_server_call_read(call, -1, &message)) == VIADUCT_RESULT_OK) {
        all = realloc(all, length + message.length + 1);
        MUST(all);
        memcpy(all + length, message.data, message.length);
        length += message.length;
        viaduct_buffer_free(&message);
    }
    if (result == VIADUCT_RESULT_END) reply(call, (viaduct_bytes){all, length});
    free(all);
    viaduct_server_call_free(call);
}

static void chat(void *userdata, viaduct_server_call *call) {
    (void)userdata;
    send_headers(call);
    viaduct_buffer message;
    while (viaduct_server_call_read(call, -1, &message) == VIADUCT_RESULT_OK) {
        viaduct_result sent = viaduct_server_call_write(call, (viaduct_bytes){message.data, message.length}, -1);
        viaduct_buffer_free(&message);
        if (sent != VIADUCT_RESULT_OK) break;
    }
    viaduct_server_call_finish(call, NULL, NULL);
    viaduct_server_call_free(call);
}

echo echo_begin(unsigned threads) {
    echo echo = {0};
    OK(viaduct_runtime_new(&echo.runtime));
    viaduct_server_options options = {.size = sizeof options, .threads = threads, .drain_timeout_ms = 5000};
    OK(viaduct_server_new(echo.runtime, &options, &echo.server));
    OK(viaduct_server_handle(echo.server, UNARY, VIADUCT_UNARY, unary, NULL, NULL));
    OK(viaduct_server_handle(echo.server, FAIL, VIADUCT_UNARY, fail_call, NULL, NULL));
    OK(viaduct_server_handle(echo.server, LATER, VIADUCT_UNARY, later, NULL, NULL));
    OK(viaduct_server_handle(echo.server, FORGET, VIADUCT_UNARY, forget, NULL, NULL));
    OK(viaduct_server_handle(echo.server, HANG, VIADUCT_BIDI_STREAMING, hang, NULL, NULL));
    if (threads) {
        OK(viaduct_server_handle(echo.server, EXPAND, VIADUCT_SERVER_STREAMING, expand, NULL, NULL));
        OK(viaduct_server_handle(echo.server, COLLECT, VIADUCT_CLIENT_STREAMING, collect, NULL, NULL));
        OK(viaduct_server_handle(echo.server, CHAT, VIADUCT_BIDI_STREAMING, chat, NULL, NULL));
    }
    char *target;
    OK(viaduct_server_listen(echo.server, "http://127.0.0.1:0", NULL, &target));
    snprintf(echo.target, sizeof echo.target, "%s", target);
    OK(viaduct_string_free(target));
    OK(viaduct_server_start(echo.server));
    viaduct_channel_options plain = {.size = sizeof plain, .proxy = ""};
    OK(viaduct_channel_new(echo.runtime, echo.target, NULL, &plain, &echo.channel));
    return echo;
}

void echo_end(echo *echo) {
    OK(viaduct_channel_close(echo->channel));
    OK(viaduct_channel_free(echo->channel));
    OK(viaduct_server_shutdown(echo->server));
    OK(viaduct_server_wait(echo->server, PATIENCE));
    OK(viaduct_server_free(echo->server));
    OK(viaduct_runtime_free(echo->runtime));
}

void echo_expect(viaduct_channel *channel, const char *request, const char *response) {
    viaduct_call_options options = {.size = sizeof options, .timeout_ms = PATIENCE};
    viaduct_buffer got;
    OK(viaduct_channel_unary(channel, UNARY, text(request), &options, &got, NULL));
    BYTES(response, got);
    OK(viaduct_buffer_free(&got));
}
