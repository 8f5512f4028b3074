// Calls that stream, by functions that wait.
#include "echo.h"

static viaduct_call *begin(echo *echo, const char *method, const char *request) {
    viaduct_call_options options = {.size = sizeof options, .timeout_ms = PATIENCE};
    viaduct_bytes bytes = viaduct_text(request);
    viaduct_call *call;
    OK(viaduct_channel_call(echo->channel, method, request ? &bytes : NULL, &options, &call));
    return call;
}

static void read_one(viaduct_call *call, const char *expected) {
    viaduct_buffer message;
    OK(viaduct_call_read(call, PATIENCE, &message));
    BYTES(expected, message);
    OK(viaduct_buffer_free(&message));
}

static void ends(viaduct_call *call, int code) {
    viaduct_status *status;
    OK(viaduct_call_wait(call, PATIENCE, &status));
    SAME(code, viaduct_status_code(status));
    OK(viaduct_status_free(status));
    OK(viaduct_call_free(call));
}

static void server_streaming(void) {
    echo echo = echo_begin(2);
    viaduct_call *call = begin(&echo, EXPAND, "abc");
    for (int n = 0; n < 3; n++) read_one(call, "abc");
    viaduct_buffer message;
    GIVES(VIADUCT_RESULT_END, viaduct_call_read(call, PATIENCE, &message));
    GIVES(VIADUCT_RESULT_END, viaduct_call_read(call, PATIENCE, &message));
    ends(call, VIADUCT_CODE_OK);
    echo_end(&echo);
}

static void client_streaming(void) {
    echo echo = echo_begin(2);
    viaduct_call *call = begin(&echo, COLLECT, NULL);
    OK(viaduct_call_write(call, text("ab"), PATIENCE));
    OK(viaduct_call_write(call, text(""), PATIENCE));
    OK(viaduct_call_write(call, text("cd"), -1));
    OK(viaduct_call_half_close(call));
    OK(viaduct_call_half_close(call));
    GIVES(VIADUCT_RESULT_CLOSED, viaduct_call_write(call, text("e"), PATIENCE));
    viaduct_buffer response;
    OK(viaduct_call_response(call, &response, NULL));
    BYTES("abcd", response);
    OK(viaduct_buffer_free(&response));
    ends(call, VIADUCT_CODE_OK);
    echo_end(&echo);
}

static void chat(void) {
    echo echo = echo_begin(2);
    viaduct_call *call = begin(&echo, CHAT, NULL);
    for (int n = 0; n < 20; n++) {
        char line[16];
        snprintf(line, sizeof line, "line %d", n);
        OK(viaduct_call_write(call, text(line), PATIENCE));
        read_one(call, line);
    }
    viaduct_buffer message;
    GIVES(VIADUCT_RESULT_TIMEOUT, viaduct_call_read(call, 0, &message));
    GIVES(VIADUCT_RESULT_TIMEOUT, viaduct_call_read(call, 10, &message));
    OK(viaduct_call_half_close(call));
    GIVES(VIADUCT_RESULT_END, viaduct_call_read(call, PATIENCE, &message));
    ends(call, VIADUCT_CODE_OK);
    echo_end(&echo);
}

// Messages that come while somebody waits for the end are kept, also when the wait is given up.
static void waiting_keeps_messages(void) {
    echo echo = echo_begin(2);
    viaduct_call *call = begin(&echo, CHAT, NULL);
    OK(viaduct_call_write(call, text("kept"), PATIENCE));
    viaduct_status *status;
    GIVES(VIADUCT_RESULT_TIMEOUT, viaduct_call_wait(call, 50, &status));
    read_one(call, "kept");
    OK(viaduct_call_write(call, text("and this"), PATIENCE));
    OK(viaduct_call_half_close(call));
    OK(viaduct_call_wait(call, PATIENCE, &status));
    OK(viaduct_status_free(status));
    read_one(call, "and this");
    ends(call, VIADUCT_CODE_OK);
    echo_end(&echo);
}

static void cancel(void) {
    echo echo = echo_begin(2);
    viaduct_call *call = begin(&echo, HANG, NULL);
    OK(viaduct_call_write(call, text("x"), PATIENCE));
    OK(viaduct_call_cancel(call));
    OK(viaduct_call_cancel(call));
    viaduct_buffer message;
    GIVES(VIADUCT_RESULT_FAILED, viaduct_call_read(call, PATIENCE, &message));
    SAYS("CANCELLED");
    GIVES(VIADUCT_RESULT_CLOSED, viaduct_call_write(call, text("x"), PATIENCE));
    ends(call, VIADUCT_CODE_CANCELLED);
    echo_end(&echo);
}

// What the server does not take waits, and is not sent where the wait is given up.
static void full_window(void) {
    echo echo = echo_begin(2);
    viaduct_call *call = begin(&echo, HANG, NULL);
    size_t size = 1 << 20;
    uint8_t *data = calloc(1, size);
    CHECK(data);
    viaduct_result result = VIADUCT_RESULT_OK;
    for (int n = 0; n < 64 && result == VIADUCT_RESULT_OK; n++)
        result = viaduct_call_write(call, (viaduct_bytes){data, size}, 100);
    GIVES(VIADUCT_RESULT_TIMEOUT, result);
    free(data);
    OK(viaduct_call_free(call));
    echo_end(&echo);
}

// Forty streams whose handlers do not read stop no call beside them, small or large.
static void unread_uploads(void) {
    echo echo = echo_begin(2);
    size_t size = 1 << 20;
    uint8_t *data = calloc(1, size);
    CHECK(data);
    viaduct_bytes large = {data, size};
    viaduct_call *unread[40];
    for (int n = 0; n < 40; n++) {
        unread[n] = begin(&echo, HANG, NULL);
        OK(viaduct_call_write(unread[n], large, PATIENCE));
    }
    viaduct_call *call = begin(&echo, UNARY, "small");
    read_one(call, "small");
    ends(call, VIADUCT_CODE_OK);
    call = begin(&echo, COLLECT, NULL);
    OK(viaduct_call_write(call, large, PATIENCE));
    OK(viaduct_call_write(call, large, PATIENCE));
    viaduct_buffer response;
    OK(viaduct_call_response(call, &response, NULL));
    SAME(2 * size, response.length);
    OK(viaduct_buffer_free(&response));
    ends(call, VIADUCT_CODE_OK);
    for (int n = 0; n < 40; n++) OK(viaduct_call_free(unread[n]));
    free(data);
    echo_end(&echo);
}

static void channel_freed_while_calls_run(void) {
    echo echo = echo_begin(2);
    viaduct_call *call = begin(&echo, CHAT, NULL);
    OK(viaduct_call_write(call, text("one"), PATIENCE));
    viaduct_channel *own = echo.channel;
    viaduct_channel_options plain = {.size = sizeof plain, .proxy = ""};
    OK(viaduct_channel_new(echo.runtime, echo.target, NULL, &plain, &echo.channel));
    OK(viaduct_channel_free(own));
    read_one(call, "one");
    OK(viaduct_call_write(call, text("two"), PATIENCE));
    read_one(call, "two");
    OK(viaduct_call_half_close(call));
    ends(call, VIADUCT_CODE_OK);
    echo_end(&echo);
}

const test stream_tests[] = {
    {"server_streaming", server_streaming},
    {"client_streaming", client_streaming},
    {"chat", chat},
    {"waiting_keeps_messages", waiting_keeps_messages},
    {"cancel", cancel},
    {"full_window", full_window},
    {"unread_uploads", unread_uploads},
    {"channel_freed_while_calls_run", channel_freed_while_calls_run},
    {NULL, NULL},
};
