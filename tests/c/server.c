// Servers: what a handler sees and may do, queues in the handlers' place, shutdown, finalisers.
#include "echo.h"

#include <pthread.h>
#include <stdbool.h>

typedef struct seen {
    pthread_mutex_t lock;
    int calls, finalised, refused[8];
    char path[64], peer[64], authority[64];
    int64_t remaining;
    viaduct_server *server;
} seen;

static void begin(seen *seen) {
    memset(seen, 0, sizeof *seen);
    pthread_mutex_init(&seen->lock, NULL);
}

static void finalise(void *userdata) {
    seen *seen = userdata;
    pthread_mutex_lock(&seen->lock);
    seen->finalised++;
    pthread_mutex_unlock(&seen->lock);
}

static void look(void *userdata, viaduct_server_call *call) {
    seen *seen = userdata;
    viaduct_buffer message;
    pthread_mutex_lock(&seen->lock);
    seen->calls++;
    snprintf(seen->path, sizeof seen->path, "%s", viaduct_server_call_path(call));
    snprintf(seen->peer, sizeof seen->peer, "%s", viaduct_server_call_peer(call));
    snprintf(seen->authority, sizeof seen->authority, "%s", viaduct_server_call_authority(call));
    seen->remaining = viaduct_server_call_remaining_ms(call);
    seen->refused[0] = viaduct_server_call_read(call, 0, &message);
    seen->refused[1] = viaduct_server_call_write(call, text("x"), 0);
    seen->refused[2] = viaduct_server_call_finish(call, NULL, NULL);
    seen->refused[3] = viaduct_server_call_fail(call, VIADUCT_CODE_OK, "x");
    seen->refused[4] = viaduct_server_call_is_cancelled(call);
    seen->refused[5] = (int)viaduct_server_call_certificate(call).length;
    seen->refused[6] = viaduct_server_call_kind(call);
    viaduct_server_call_reply(call, viaduct_server_call_request(call), NULL);
    seen->refused[7] = viaduct_server_call_reply(call, text("again"), NULL);
    pthread_mutex_unlock(&seen->lock);
    viaduct_server_call_free(call);
}

// A server with one unary method, and a channel to it.
static viaduct_channel *serve(viaduct_runtime *runtime, viaduct_server *server) {
    char *target;
    OK(viaduct_server_listen(server, "http://127.0.0.1:0", NULL, &target));
    OK(viaduct_server_start(server));
    viaduct_channel_options plain = {.size = sizeof plain, .proxy = ""};
    viaduct_channel *channel;
    OK(viaduct_channel_new(runtime, target, NULL, &plain, &channel));
    OK(viaduct_string_free(target));
    return channel;
}

static void what_a_handler_sees(void) {
    seen seen;
    begin(&seen);
    viaduct_runtime *runtime;
    viaduct_server *server;
    OK(viaduct_runtime_new(&runtime));
    OK(viaduct_server_new(runtime, NULL, &server));
    OK(viaduct_server_handle(server, UNARY, VIADUCT_UNARY, look, &seen, finalise));
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_server_handle(server, UNARY, VIADUCT_UNARY, look, &seen, finalise));
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_server_handle(server, "none", VIADUCT_UNARY, look, &seen, finalise));
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_server_handle(server, "/a/b", 4, look, &seen, finalise));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_handle(server, "/a/b", VIADUCT_UNARY, NULL, &seen, finalise));
    SAME(0, seen.finalised);
    viaduct_channel *channel = serve(runtime, server);
    GIVES(VIADUCT_RESULT_WRONG_STATE, viaduct_server_handle(server, "/a/b", VIADUCT_UNARY, look, &seen, finalise));
    GIVES(VIADUCT_RESULT_WRONG_STATE, viaduct_server_start(server));
    GIVES(VIADUCT_RESULT_WRONG_STATE, viaduct_server_listen(server, "http://127.0.0.1:0", NULL, NULL));
    viaduct_call_options options = {.size = sizeof options, .timeout_ms = PATIENCE, .authority = "some.where"};
    viaduct_buffer response;
    OK(viaduct_channel_unary(channel, UNARY, text("x"), &options, &response, NULL));
    OK(viaduct_buffer_free(&response));
    pthread_mutex_lock(&seen.lock);
    SAME(1, seen.calls);
    TEXT(UNARY, seen.path);
    CHECK(strncmp(seen.peer, "ipv4:127.0.0.1:", 15) == 0);
    TEXT("some.where", seen.authority);
    CHECK(seen.remaining > 0 && seen.remaining <= PATIENCE);
    GIVES(VIADUCT_RESULT_WRONG_STATE, seen.refused[0]);
    GIVES(VIADUCT_RESULT_WRONG_STATE, seen.refused[1]);
    GIVES(VIADUCT_RESULT_WRONG_STATE, seen.refused[2]);
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, seen.refused[3]);
    SAME(0, seen.refused[4]);
    SAME(0, seen.refused[5]);
    SAME(VIADUCT_UNARY, seen.refused[6]);
    GIVES(VIADUCT_RESULT_CLOSED, seen.refused[7]);
    pthread_mutex_unlock(&seen.lock);
    OK(viaduct_channel_free(channel));
    OK(viaduct_server_free(server));
    SAME(1, seen.finalised);
    OK(viaduct_runtime_free(runtime));
}

static void stop(void *userdata, viaduct_server_call *call) {
    seen *seen = userdata;
    seen->refused[0] = viaduct_server_shutdown(seen->server);
    seen->refused[1] = viaduct_server_wait(seen->server, -1);
    viaduct_server_call_reply(call, text("last"), NULL);
    viaduct_server_call_free(call);
}

static void shutdown_inside_a_handler(void) {
    seen seen;
    begin(&seen);
    viaduct_runtime *runtime;
    OK(viaduct_runtime_new(&runtime));
    OK(viaduct_server_new(runtime, NULL, &seen.server));
    OK(viaduct_server_handle(seen.server, UNARY, VIADUCT_UNARY, stop, &seen, finalise));
    GIVES(VIADUCT_RESULT_WRONG_STATE, viaduct_server_shutdown(seen.server));
    GIVES(VIADUCT_RESULT_WRONG_STATE, viaduct_server_wait(seen.server, 0));
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_server_start(seen.server));
    SAYS("listens on nothing");
    viaduct_channel *channel = serve(runtime, seen.server);
    echo_expect(channel, "x", "last");
    viaduct_queue *queue;
    OK(viaduct_queue_new(&queue));
    OK(viaduct_server_wait_start(seen.server, (viaduct_completion){queue, NULL, NULL}));
    viaduct_event event;
    OK(viaduct_queue_next(queue, PATIENCE, &event));
    SAME(VIADUCT_EVENT_DRAINED, event.kind);
    OK(viaduct_server_wait(seen.server, PATIENCE));
    GIVES(VIADUCT_RESULT_OK, seen.refused[0]);
    GIVES(VIADUCT_RESULT_INSIDE_CALLBACK, seen.refused[1]);
    OK(viaduct_queue_free(queue));
    OK(viaduct_channel_free(channel));
    OK(viaduct_server_free(seen.server));
    SAME(1, seen.finalised);
    OK(viaduct_runtime_free(runtime));
}

static void free_it(void *userdata, viaduct_server_call *call) {
    seen *seen = userdata;
    viaduct_server_free(seen->server);
    viaduct_server_call_free(call);
}

static void freed_inside_a_handler(void) {
    for (unsigned threads = 0; threads < 2; threads++) {
        seen seen;
        begin(&seen);
        viaduct_runtime *runtime;
        OK(viaduct_runtime_new(&runtime));
        viaduct_server_options options = {.size = sizeof options, .threads = threads};
        OK(viaduct_server_new(runtime, &options, &seen.server));
        OK(viaduct_server_handle(seen.server, UNARY, VIADUCT_UNARY, free_it, &seen, NULL));
        viaduct_channel *channel = serve(runtime, seen.server);
        viaduct_buffer response;
        GIVES(VIADUCT_RESULT_FAILED, viaduct_channel_unary(channel, UNARY, text("x"), NULL, &response, NULL));
        OK(viaduct_channel_free(channel));
        OK(viaduct_runtime_free(runtime));
    }
}

typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool open;
    int inside;
} gate;

static void wait_at_the_gate(void *userdata, viaduct_server_call *call) {
    gate *gate = userdata;
    pthread_mutex_lock(&gate->lock);
    gate->inside++;
    pthread_cond_broadcast(&gate->opened);
    while (!gate->open) pthread_cond_wait(&gate->opened, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
    if (viaduct_server_call_reply(call, text("through"), NULL) != VIADUCT_RESULT_OK) abort();
    viaduct_server_call_free(call);
}

// Two threads run a handler each and three calls wait for one, however they come; the rest is refused.
static void calls_wait_for_threads(void) {
    gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER};
    viaduct_runtime *runtime;
    viaduct_server *server;
    viaduct_queue *queue;
    OK(viaduct_runtime_new(&runtime));
    OK(viaduct_queue_new(&queue));
    viaduct_server_options options = {.size = sizeof options, .threads = 2, .max_queued = 3};
    OK(viaduct_server_new(runtime, &options, &server));
    OK(viaduct_server_handle(server, UNARY, VIADUCT_UNARY, wait_at_the_gate, &gate, NULL));
    viaduct_channel *channel = serve(runtime, server);
    viaduct_completion told = {queue, NULL, NULL};
    for (int n = 0; n < 10; n++) OK(viaduct_channel_unary_start(channel, UNARY, text("x"), NULL, told, NULL));
    viaduct_event event;
    for (int n = 0; n < 10; n++) {
        if (n == 5) {
            pthread_mutex_lock(&gate.lock);
            while (gate.inside < 2) pthread_cond_wait(&gate.opened, &gate.lock);
            gate.open = true;
            pthread_cond_broadcast(&gate.opened);
            pthread_mutex_unlock(&gate.lock);
        }
        OK(viaduct_queue_next(queue, PATIENCE, &event));
        GIVES(n < 5 ? VIADUCT_RESULT_FAILED : VIADUCT_RESULT_OK, event.result);
        if (n < 5) SAME(VIADUCT_CODE_RESOURCE_EXHAUSTED, viaduct_status_code(event.status));
        OK(viaduct_event_clear(&event));
    }
    OK(viaduct_queue_free(queue));
    OK(viaduct_channel_free(channel));
    OK(viaduct_server_free(server));
    OK(viaduct_runtime_free(runtime));
}

// One thread, one queue: server and client at once.
static void calls_from_a_queue(void) {
    viaduct_runtime *runtime;
    viaduct_server *server;
    viaduct_queue *queue;
    OK(viaduct_runtime_new(&runtime));
    OK(viaduct_queue_new(&queue));
    OK(viaduct_server_new(runtime, NULL, &server));
    OK(viaduct_server_handle_queue(server, CHAT, VIADUCT_BIDI_STREAMING, queue, &server));
    GIVES(VIADUCT_RESULT_NULL, viaduct_server_handle_queue(server, "/a/b", VIADUCT_UNARY, NULL, NULL));
    viaduct_channel *channel = serve(runtime, server);
    viaduct_call *call;
    viaduct_call_options options = {.size = sizeof options, .timeout_ms = PATIENCE};
    OK(viaduct_channel_call(channel, CHAT, NULL, &options, &call));
    OK(viaduct_call_write(call, text("ping"), PATIENCE));
    viaduct_event event;
    OK(viaduct_queue_next(queue, PATIENCE, &event));
    SAME(VIADUCT_EVENT_CALL, event.kind);
    CHECK(event.userdata == &server);
    viaduct_server_call *served = event.call;
    event.call = NULL;
    OK(viaduct_event_clear(&event));
    viaduct_completion told = {queue, NULL, NULL};
    OK(viaduct_server_call_over_start(served, told));
    OK(viaduct_server_call_read_start(served, told));
    OK(viaduct_queue_next(queue, PATIENCE, &event));
    SAME(VIADUCT_EVENT_READ, event.kind);
    BYTES("ping", event.message);
    OK(viaduct_event_clear(&event));
    OK(viaduct_server_call_set_compression(served, VIADUCT_COMPRESSION_GZIP));
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_server_call_set_compression(served, 9));
    OK(viaduct_server_call_write_start(served, text("pong"), told));
    OK(viaduct_queue_next(queue, PATIENCE, &event));
    SAME(VIADUCT_EVENT_WRITE, event.kind);
    GIVES(VIADUCT_RESULT_OK, event.result);
    GIVES(VIADUCT_RESULT_WRONG_STATE, viaduct_server_call_send_headers(served, NULL));
    GIVES(VIADUCT_RESULT_WRONG_STATE, viaduct_server_call_reply(served, text("x"), NULL));
    viaduct_buffer message;
    OK(viaduct_call_read(call, PATIENCE, &message));
    BYTES("pong", message);
    OK(viaduct_buffer_free(&message));
    // The client goes.
    OK(viaduct_call_free(call));
    OK(viaduct_queue_next(queue, PATIENCE, &event));
    SAME(VIADUCT_EVENT_OVER, event.kind);
    GIVES(VIADUCT_RESULT_CLOSED, event.result);
    SAME(1, viaduct_server_call_is_cancelled(served));
    GIVES(VIADUCT_RESULT_CLOSED, viaduct_server_call_write(served, text("x"), PATIENCE));
    GIVES(VIADUCT_RESULT_FAILED, viaduct_server_call_read(served, PATIENCE, &message));
    OK(viaduct_server_call_free(served));
    OK(viaduct_channel_free(channel));
    OK(viaduct_server_free(server));
    OK(viaduct_queue_free(queue));
    OK(viaduct_runtime_free(runtime));
}

// A call that a handler makes has the deadline of the call that it makes it for.
static void deadlines_are_inherited(void) {
    viaduct_runtime *runtime;
    viaduct_server *server;
    viaduct_queue *queue;
    OK(viaduct_runtime_new(&runtime));
    OK(viaduct_queue_new(&queue));
    OK(viaduct_server_new(runtime, NULL, &server));
    OK(viaduct_server_handle_queue(server, UNARY, VIADUCT_UNARY, queue, NULL));
    viaduct_channel *channel = serve(runtime, server);
    viaduct_call_options options = {.size = sizeof options, .timeout_ms = 20000};
    viaduct_call *call, *inner;
    viaduct_bytes request = text("x");
    OK(viaduct_channel_call(channel, UNARY, &request, &options, &call));
    viaduct_event event, second;
    OK(viaduct_queue_next(queue, PATIENCE, &event));
    viaduct_call_options child = {.size = sizeof child, .parent = event.call};
    OK(viaduct_channel_call(channel, UNARY, &request, &child, &inner));
    OK(viaduct_queue_next(queue, PATIENCE, &second));
    int64_t left = viaduct_server_call_remaining_ms(second.call);
    CHECK(left > 0 && left <= 20000);
    OK(viaduct_event_clear(&event));
    OK(viaduct_event_clear(&second));
    OK(viaduct_call_free(call));
    OK(viaduct_call_free(inner));
    OK(viaduct_channel_free(channel));
    OK(viaduct_server_free(server));
    OK(viaduct_queue_free(queue));
    OK(viaduct_runtime_free(runtime));
}

static void addresses(void) {
    viaduct_runtime *runtime;
    viaduct_server *server;
    OK(viaduct_runtime_new(&runtime));
    OK(viaduct_server_new(runtime, NULL, &server));
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_server_listen(server, "localhost", NULL, NULL));
    SAYS("http://host:port");
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_server_listen(server, "https://127.0.0.1:0", NULL, NULL));
    GIVES(VIADUCT_RESULT_SYSTEM, viaduct_server_listen(server, "unix:/nowhere/at/all.sock", NULL, NULL));
    OK(viaduct_server_listen(server, "http://127.0.0.1:0", NULL, NULL));
    OK(viaduct_server_free(server));
    viaduct_server_options options = {.size = sizeof options, .threads = 1 << 20};
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_server_new(runtime, &options, &server));
    options = (viaduct_server_options){.size = 1 << 20};
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_server_new(runtime, &options, &server));
    OK(viaduct_runtime_free(runtime));
}

const test server_tests[] = {
    {"server_what_a_handler_sees", what_a_handler_sees},
    {"server_shutdown_inside_a_handler", shutdown_inside_a_handler},
    {"server_freed_inside_a_handler", freed_inside_a_handler},
    {"server_calls_wait_for_threads", calls_wait_for_threads},
    {"server_calls_from_a_queue", calls_from_a_queue},
    {"server_deadlines_are_inherited", deadlines_are_inherited},
    {"server_addresses", addresses},
    {NULL, NULL},
};
