// What must not be done, and is said where it can be known.
#include "echo.h"

#include <stdint.h>

static void null_handles(void) {
    viaduct_bytes bytes = {NULL, 0};
    viaduct_buffer buffer;
    viaduct_status *status;
    viaduct_event event;
    viaduct_completion none = {NULL, NULL, NULL};
    GIVES(VIADUCT_RESULT_NULL, viaduct_runtime_new(NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_queue_new(NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_metadata_new(NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_queue_next(NULL, 0, &event));
    SAYS("the viaduct_queue is NULL");
    GIVES(VIADUCT_RESULT_NULL, viaduct_channel_new(NULL, "http://a:1", NULL, NULL, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_channel_close(NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_channel_wait_for_ready(NULL, 0));
    GIVES(VIADUCT_RESULT_NULL, viaduct_channel_wait_for_ready_start(NULL, none));
    GIVES(VIADUCT_RESULT_NULL, viaduct_channel_unary(NULL, UNARY, bytes, NULL, &buffer, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_channel_unary_start(NULL, UNARY, bytes, NULL, none, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_channel_call(NULL, UNARY, NULL, NULL, NULL));
    SAME(VIADUCT_CONNECTIVITY_UNKNOWN, viaduct_channel_state(NULL, 0));
    CHECK(!viaduct_channel_target(NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_call_cancel(NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_call_write(NULL, bytes, 0));
    GIVES(VIADUCT_RESULT_NULL, viaduct_call_write_start(NULL, bytes, none));
    GIVES(VIADUCT_RESULT_NULL, viaduct_call_half_close(NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_call_read(NULL, 0, &buffer));
    GIVES(VIADUCT_RESULT_NULL, viaduct_call_read_start(NULL, none));
    GIVES(VIADUCT_RESULT_NULL, viaduct_call_response(NULL, &buffer, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_call_response_start(NULL, none));
    GIVES(VIADUCT_RESULT_NULL, viaduct_call_wait_headers(NULL, 0));
    GIVES(VIADUCT_RESULT_NULL, viaduct_call_wait_headers_start(NULL, none));
    GIVES(VIADUCT_RESULT_NULL, viaduct_call_wait(NULL, 0, &status));
    GIVES(VIADUCT_RESULT_NULL, viaduct_call_wait_start(NULL, none));
    CHECK(!viaduct_call_headers(NULL));
    CHECK(!viaduct_call_peer(NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_new(NULL, NULL, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_listen(NULL, "http://a:1", NULL, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_handle(NULL, UNARY, 0, NULL, NULL, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_handle_queue(NULL, UNARY, 0, NULL, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_start(NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_shutdown(NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_wait(NULL, 0));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_wait_start(NULL, none));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_call_reply(NULL, bytes, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_call_finish(NULL, NULL, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_call_fail(NULL, 1, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_call_send_headers(NULL, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_call_set_compression(NULL, 0));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_call_read(NULL, 0, &buffer));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_call_read_start(NULL, none));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_call_write(NULL, bytes, 0));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_call_write_start(NULL, bytes, none));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_call_over_start(NULL, none));
    CHECK(!viaduct_server_call_path(NULL));
    CHECK(!viaduct_server_call_authority(NULL));
    CHECK(!viaduct_server_call_peer(NULL));
    CHECK(!viaduct_server_call_metadata(NULL));
    SAME(0, viaduct_server_call_request(NULL).length);
    SAME(0, viaduct_server_call_certificate(NULL).length);
    SAME(-1, viaduct_server_call_kind(NULL));
    SAME(-1, viaduct_server_call_remaining_ms(NULL));
    SAME(0, viaduct_server_call_is_cancelled(NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_proxy_start(NULL, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_proxy_address(NULL, 0, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_proxy_admin_address(NULL, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_proxy_reload(NULL, ""));
    GIVES(VIADUCT_RESULT_NULL, viaduct_proxy_shutdown(NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_proxy_wait(NULL, 0));
    GIVES(VIADUCT_RESULT_NULL, viaduct_proxy_wait_start(NULL, none));
    SAME(-1, viaduct_status_code(NULL));
    CHECK(!viaduct_status_message(NULL));
    CHECK(!viaduct_status_trailers(NULL));
    SAME(0, viaduct_status_detail_count(NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_status_detail(NULL, 0, NULL, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_status_add_detail(NULL, "x", bytes));
    SAME(0, viaduct_metadata_count(NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_metadata_entry(NULL, 0, NULL, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_metadata_find(NULL, "x", 0, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_metadata_append(NULL, "x", bytes));
    OK(viaduct_runtime_free(NULL));
    OK(viaduct_queue_free(NULL));
    OK(viaduct_channel_free(NULL));
    OK(viaduct_call_free(NULL));
    OK(viaduct_server_free(NULL));
    OK(viaduct_server_call_free(NULL));
    OK(viaduct_proxy_free(NULL));
    OK(viaduct_metadata_free(NULL));
    OK(viaduct_status_free(NULL));
}

static void null_arguments(void) {
    echo echo = echo_begin(0);
    viaduct_buffer buffer;
    viaduct_channel *channel;
    GIVES(VIADUCT_RESULT_NULL, viaduct_channel_new(echo.runtime, NULL, NULL, NULL, &channel));
    SAYS("the target is NULL");
    GIVES(VIADUCT_RESULT_NULL, viaduct_channel_new(echo.runtime, "http://a:1", NULL, NULL, NULL));
    SAYS("the place for the channel is NULL");
    GIVES(VIADUCT_RESULT_NULL, viaduct_channel_unary(echo.channel, NULL, text("x"), NULL, &buffer, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_channel_unary(echo.channel, UNARY, text("x"), NULL, NULL, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_channel_unary(echo.channel, UNARY, (viaduct_bytes){NULL, 5}, NULL, &buffer, NULL));
    SAYS("5 bytes at NULL");
    GIVES(VIADUCT_RESULT_NULL, viaduct_channel_call(echo.channel, UNARY, NULL, NULL, NULL));
    echo_end(&echo);
}

static void wrong_kinds(void) {
    echo echo = echo_begin(0);
    viaduct_buffer buffer;
    viaduct_channel *not_a_channel = (viaduct_channel *)(void *)echo.runtime;
    GIVES(VIADUCT_RESULT_WRONG_HANDLE, viaduct_channel_unary(not_a_channel, UNARY, text("x"), NULL, &buffer, NULL));
    SAYS("expected a viaduct_channel, and this is a viaduct_runtime");
    GIVES(VIADUCT_RESULT_WRONG_HANDLE, viaduct_channel_free(not_a_channel));
    GIVES(VIADUCT_RESULT_WRONG_HANDLE, viaduct_call_free((viaduct_call *)(void *)echo.server));
    GIVES(VIADUCT_RESULT_WRONG_HANDLE, viaduct_queue_free((viaduct_queue *)(void *)echo.server));
    viaduct_call_options options = {.size = sizeof options, .metadata = (viaduct_metadata *)(void *)echo.channel};
    GIVES(VIADUCT_RESULT_WRONG_HANDLE, viaduct_channel_unary(echo.channel, UNARY, text("x"), &options, &buffer, NULL));
    uint64_t numbers[8] = {0};
    GIVES(VIADUCT_RESULT_WRONG_HANDLE, viaduct_channel_close((viaduct_channel *)(void *)numbers));
    SAYS("leads to no handle");
    GIVES(VIADUCT_RESULT_WRONG_HANDLE, viaduct_channel_close((viaduct_channel *)(void *)((char *)numbers + 1)));
    // What belongs to another handle is not freed by itself.
    viaduct_status *status;
    OK(viaduct_status_new(VIADUCT_CODE_OK, "", &status));
    GIVES(VIADUCT_RESULT_WRONG_HANDLE, viaduct_metadata_free((viaduct_metadata *)viaduct_status_trailers(status)));
    SAYS("belongs to the handle it was read from");
    OK(viaduct_status_free(status));
    echo_end(&echo);
}

static void lengths(void) {
    echo echo = echo_begin(0);
    viaduct_buffer buffer;
    viaduct_bytes huge = {(const uint8_t *)"x", SIZE_MAX / 2 + 1};
    GIVES(VIADUCT_RESULT_TOO_LONG, viaduct_channel_unary(echo.channel, UNARY, huge, NULL, &buffer, NULL));
    GIVES(VIADUCT_RESULT_NOT_UTF8, viaduct_channel_unary(echo.channel, "/\xff/x", text("x"), NULL, &buffer, NULL));
    SAYS("not UTF-8 from byte 1 on");
    echo_end(&echo);
}

// Only a debug build of the library can tell: in others this is undefined, and is not tried.
static void freed_handles(void) {
    const char *build = getenv("VIADUCT_TEST_BUILD");
    if (!build || strcmp(build, "debug") != 0) skip("the library is not a debug build");
    viaduct_queue *queue;
    viaduct_event event;
    OK(viaduct_queue_new(&queue));
    OK(viaduct_queue_free(queue));
    GIVES(VIADUCT_RESULT_FREED, viaduct_queue_free(queue));
    GIVES(VIADUCT_RESULT_FREED, viaduct_queue_next(queue, 0, &event));
    SAYS("the viaduct_queue has been freed");
    SAME(-1, viaduct_queue_fd(queue));
    viaduct_status *status;
    OK(viaduct_status_new(0, NULL, &status));
    const viaduct_metadata *trailers = viaduct_status_trailers(status);
    OK(viaduct_status_free(status));
    GIVES(VIADUCT_RESULT_FREED, viaduct_status_free(status));
    SAME(0, viaduct_metadata_count(trailers));
    SAYS("the viaduct_metadata has been freed");
}

const test misuse_tests[] = {
    {"misuse_null_handles", null_handles}, {"misuse_null_arguments", null_arguments},
    {"misuse_wrong_kinds", wrong_kinds},   {"misuse_lengths", lengths},
    {"misuse_freed_handles", freed_handles}, {NULL, NULL},
};
