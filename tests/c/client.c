// Unary calls, channels, headers and trailers, deadlines, errors.
#include "echo.h"

static void unary(void) {
    echo echo = echo_begin(0);
    echo_expect(echo.channel, "hello", "hello");
    echo_expect(echo.channel, "", "");
    echo_end(&echo);
}

static void unary_without_options(void) {
    echo echo = echo_begin(0);
    viaduct_buffer response;
    OK(viaduct_channel_unary(echo.channel, UNARY, text("x"), NULL, &response, NULL));
    BYTES("x", response);
    OK(viaduct_buffer_free(&response));
    SAME(0, response.length);
    OK(viaduct_buffer_free(&response));
    echo_end(&echo);
}

static void large(void) {
    echo echo = echo_begin(0);
    size_t size = 3 << 20;
    uint8_t *data = malloc(size);
    CHECK(data);
    for (size_t n = 0; n < size; n++) data[n] = (uint8_t)(n * 7);
    viaduct_buffer response;
    viaduct_call_options options = {.size = sizeof options, .compression = VIADUCT_COMPRESSION_GZIP};
    OK(viaduct_channel_unary(echo.channel, UNARY, (viaduct_bytes){data, size}, NULL, &response, NULL));
    SAME(size, response.length);
    SAME(0, memcmp(data, response.data, size));
    OK(viaduct_buffer_free(&response));
    OK(viaduct_channel_unary(echo.channel, UNARY, (viaduct_bytes){data, size}, &options, &response, NULL));
    SAME(0, memcmp(data, response.data, size));
    OK(viaduct_buffer_free(&response));
    free(data);
    echo_end(&echo);
}

static void limits(void) {
    echo echo = echo_begin(0);
    viaduct_channel *channel;
    viaduct_channel_options options = {.size = sizeof options, .max_send_bytes = 3, .max_receive_bytes = 2, .proxy = ""};
    OK(viaduct_channel_new(echo.runtime, echo.target, NULL, &options, &channel));
    viaduct_buffer response;
    GIVES(VIADUCT_RESULT_TOO_LONG, viaduct_channel_unary(channel, UNARY, text("four"), NULL, &response, NULL));
    SAYS("limit of 3 bytes");
    viaduct_status *status;
    GIVES(VIADUCT_RESULT_FAILED, viaduct_channel_unary(channel, UNARY, text("abc"), NULL, &response, &status));
    SAME(VIADUCT_CODE_RESOURCE_EXHAUSTED, viaduct_status_code(status));
    OK(viaduct_status_free(status));
    OK(viaduct_channel_free(channel));
    echo_end(&echo);
}

static void headers_and_trailers(void) {
    echo echo = echo_begin(0);
    viaduct_metadata *metadata;
    OK(viaduct_metadata_new(&metadata));
    OK(viaduct_metadata_append(metadata, "x-header", viaduct_text("there")));
    OK(viaduct_metadata_append(metadata, "trail-bin", (viaduct_bytes){(const uint8_t *)"\0\1\xff", 3}));
    viaduct_call_options options = {.size = sizeof options, .metadata = metadata, .timeout_ms = PATIENCE};
    viaduct_call *call;
    viaduct_bytes request = viaduct_text("x");
    OK(viaduct_channel_call(echo.channel, UNARY, &request, &options, &call));
    OK(viaduct_metadata_free(metadata));
    OK(viaduct_call_wait_headers(call, PATIENCE));
    viaduct_bytes value;
    OK(viaduct_metadata_find(viaduct_call_headers(call), "x-header", 0, &value));
    BYTES("there", value);
    CHECK(viaduct_call_headers(call) == viaduct_call_headers(call));
    CHECK(strstr(viaduct_call_peer(call), "127.0.0.1:"));
    viaduct_buffer response;
    viaduct_status *status;
    OK(viaduct_call_response(call, &response, &status));
    BYTES("x", response);
    OK(viaduct_buffer_free(&response));
    SAME(VIADUCT_CODE_OK, viaduct_status_code(status));
    OK(viaduct_metadata_find(viaduct_status_trailers(status), "trail-bin", 0, &value));
    SAME(3, value.length);
    SAME(0, memcmp(value.data, "\0\1\xff", 3));
    OK(viaduct_status_free(status));
    OK(viaduct_call_free(call));
    echo_end(&echo);
}

static void errors(void) {
    echo echo = echo_begin(0);
    viaduct_metadata *metadata;
    OK(viaduct_metadata_new(&metadata));
    OK(viaduct_metadata_append(metadata, "trail-bin", viaduct_text("t")));
    viaduct_call_options options = {.size = sizeof options, .metadata = metadata, .timeout_ms = PATIENCE};
    viaduct_buffer response = {NULL, 7, NULL};
    viaduct_status *status;
    GIVES(VIADUCT_RESULT_FAILED, viaduct_channel_unary(echo.channel, FAIL, text("x"), &options, &response, &status));
    SAYS("NOT_FOUND: nö: 100 %");
    SAME(0, response.length);
    SAME(VIADUCT_CODE_NOT_FOUND, viaduct_status_code(status));
    TEXT("nö: 100 %", viaduct_status_message(status));
    const char *url;
    viaduct_bytes value;
    SAME(1, viaduct_status_detail_count(status));
    OK(viaduct_status_detail(status, 0, &url, &value));
    TEXT("type.googleapis.com/t.Detail", url);
    SAME(3, value.length);
    OK(viaduct_metadata_find(viaduct_status_trailers(status), "trail-bin", 0, &value));
    BYTES("t", value);
    OK(viaduct_status_free(status));
    OK(viaduct_metadata_free(metadata));

    GIVES(VIADUCT_RESULT_FAILED, viaduct_channel_unary(echo.channel, FORGET, text("x"), NULL, &response, &status));
    SAME(VIADUCT_CODE_INTERNAL, viaduct_status_code(status));
    OK(viaduct_status_free(status));
    GIVES(VIADUCT_RESULT_FAILED, viaduct_channel_unary(echo.channel, "/t.Echo/None", text("x"), NULL, &response, NULL));
    SAYS("UNIMPLEMENTED: unknown method None");
    echo_end(&echo);
}

static void later(void) {
    echo echo = echo_begin(0);
    viaduct_buffer response;
    OK(viaduct_channel_unary(echo.channel, LATER, text("in a while"), NULL, &response, NULL));
    BYTES("in a while", response);
    OK(viaduct_buffer_free(&response));
    echo_end(&echo);
}

static void deadline(void) {
    echo echo = echo_begin(0);
    viaduct_call_options options = {.size = sizeof options, .timeout_ms = 50};
    viaduct_call *call;
    OK(viaduct_channel_call(echo.channel, HANG, NULL, &options, &call));
    viaduct_buffer message;
    GIVES(VIADUCT_RESULT_FAILED, viaduct_call_read(call, -1, &message));
    SAYS("DEADLINE_EXCEEDED");
    viaduct_status *status;
    OK(viaduct_call_wait(call, -1, &status));
    SAME(VIADUCT_CODE_DEADLINE_EXCEEDED, viaduct_status_code(status));
    OK(viaduct_status_free(status));
    OK(viaduct_call_free(call));
    // It has passed already.
    options.timeout_ms = -1;
    GIVES(VIADUCT_RESULT_FAILED, viaduct_channel_unary(echo.channel, UNARY, text("x"), &options, &message, NULL));
    SAYS("DEADLINE_EXCEEDED");
    echo_end(&echo);
}

static void nobody_listens(void) {
    echo echo = echo_begin(0);
    viaduct_server *server;
    char *target;
    OK(viaduct_server_new(echo.runtime, NULL, &server));
    OK(viaduct_server_listen(server, "http://127.0.0.1:0", NULL, &target));
    // The port was free, and nobody has it now.
    OK(viaduct_server_free(server));
    viaduct_channel *channel;
    viaduct_channel_options options = {.size = sizeof options, .proxy = ""};
    OK(viaduct_channel_new(echo.runtime, target, NULL, &options, &channel));
    viaduct_buffer response;
    GIVES(VIADUCT_RESULT_FAILED, viaduct_channel_unary(channel, UNARY, text("x"), NULL, &response, NULL));
    SAYS("UNAVAILABLE: cannot connect");
    SAME(VIADUCT_TRANSIENT_FAILURE, viaduct_channel_state(channel, 0));
    GIVES(VIADUCT_RESULT_TIMEOUT, viaduct_channel_wait_for_ready(channel, 20));
    // A call that waits for a connection does not hold up the end.
    viaduct_call *call;
    viaduct_call_options wait = {.size = sizeof wait, .wait_for_ready = VIADUCT_YES};
    OK(viaduct_channel_call(channel, HANG, NULL, &wait, &call));
    viaduct_buffer message;
    GIVES(VIADUCT_RESULT_TIMEOUT, viaduct_call_read(call, 20, &message));
    GIVES(VIADUCT_RESULT_TIMEOUT, viaduct_call_write(call, text("x"), 20));
    OK(viaduct_call_free(call));
    OK(viaduct_string_free(target));
    OK(viaduct_channel_free(channel));
    echo_end(&echo);
}

static void states(void) {
    echo echo = echo_begin(0);
    TEXT(echo.target, viaduct_channel_target(echo.channel));
    SAME(VIADUCT_IDLE, viaduct_channel_state(echo.channel, 0));
    OK(viaduct_channel_wait_for_ready(echo.channel, PATIENCE));
    SAME(VIADUCT_READY, viaduct_channel_state(echo.channel, 1));
    OK(viaduct_channel_close(echo.channel));
    SAME(VIADUCT_SHUTDOWN, viaduct_channel_state(echo.channel, 0));
    viaduct_buffer response;
    GIVES(VIADUCT_RESULT_FAILED, viaduct_channel_unary(echo.channel, UNARY, text("x"), NULL, &response, NULL));
    SAYS("the channel is closed");
    GIVES(VIADUCT_RESULT_FAILED, viaduct_channel_wait_for_ready(echo.channel, PATIENCE));
    echo_end(&echo);
}

static void arguments(void) {
    echo echo = echo_begin(0);
    viaduct_channel *channel;
    viaduct_channel_options options = {.size = sizeof options, .service_config = "{"};
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_channel_new(echo.runtime, "127.0.0.1:1", NULL, NULL, &channel));
    SAYS("http://127.0.0.1:1");
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_channel_new(echo.runtime, echo.target, NULL, &options, &channel));
    options = (viaduct_channel_options){.size = sizeof options, .load_balancing = 9};
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_channel_new(echo.runtime, echo.target, NULL, &options, &channel));
    options = (viaduct_channel_options){.size = sizeof options, .keepalive_ms = -1};
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_channel_new(echo.runtime, echo.target, NULL, &options, &channel));
    SAYS("keepalive_ms is -1");
    options = (viaduct_channel_options){.size = 0};
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_channel_new(echo.runtime, echo.target, NULL, &options, &channel));
    SAYS("viaduct_channel_options.size is 0");
    viaduct_buffer response;
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_channel_unary(echo.channel, "Unary", text("x"), NULL, &response, NULL));
    viaduct_call_options call = {.size = sizeof call, .authority = "a b"};
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_channel_unary(echo.channel, UNARY, text("x"), &call, &response, NULL));
    call = (viaduct_call_options){.size = sizeof call, .compression = 4};
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_channel_unary(echo.channel, UNARY, text("x"), &call, &response, NULL));
    echo_end(&echo);
}

const test client_tests[] = {
    {"unary", unary},
    {"unary_without_options", unary_without_options},
    {"large", large},
    {"limits", limits},
    {"headers_and_trailers", headers_and_trailers},
    {"errors", errors},
    {"later", later},
    {"deadline", deadline},
    {"nobody_listens", nobody_listens},
    {"states", states},
    {"arguments", arguments},
    {NULL, NULL},
};
