// What is started and told later: to queues, with and without their descriptor, and to functions.
#include "echo.h"

#include <poll.h>
#include <pthread.h>

static const viaduct_call_options patient = {.size = sizeof(viaduct_call_options), .timeout_ms = PATIENCE};

static viaduct_completion to(viaduct_queue *queue, int tag) {
    return (viaduct_completion){queue, NULL, (void *)(intptr_t)tag};
}

static viaduct_event next(viaduct_queue *queue, viaduct_event_kind kind, int tag) {
    viaduct_event event;
    OK(viaduct_queue_next(queue, PATIENCE, &event));
    SAME(kind, event.kind);
    SAME(tag, (intptr_t)event.userdata);
    return event;
}

static int readable(viaduct_queue *queue, int timeout) {
    struct pollfd wait = {viaduct_queue_fd(queue), POLLIN, 0};
    return poll(&wait, 1, timeout);
}

static void unary(void) {
    echo echo = echo_begin(0);
    viaduct_queue *queue;
    OK(viaduct_queue_new(&queue));
    OK(viaduct_channel_unary_start(echo.channel, UNARY, text("x"), &patient, to(queue, 7), NULL));
    viaduct_event event = next(queue, VIADUCT_EVENT_RESPONSE, 7);
    GIVES(VIADUCT_RESULT_OK, event.result);
    BYTES("x", event.message);
    SAME(VIADUCT_CODE_OK, viaduct_status_code(event.status));
    OK(viaduct_event_clear(&event));
    OK(viaduct_event_clear(&event));

    OK(viaduct_channel_unary_start(echo.channel, FAIL, text("x"), &patient, to(queue, 8), NULL));
    event = next(queue, VIADUCT_EVENT_RESPONSE, 8);
    GIVES(VIADUCT_RESULT_FAILED, event.result);
    SAME(VIADUCT_CODE_NOT_FOUND, viaduct_status_code(event.status));
    SAME(0, event.message.length);
    OK(viaduct_event_clear(&event));

    // What is to stay is taken out.
    OK(viaduct_channel_unary_start(echo.channel, UNARY, text("stays"), &patient, to(queue, 9), NULL));
    event = next(queue, VIADUCT_EVENT_RESPONSE, 9);
    viaduct_buffer stays = event.message;
    memset(&event.message, 0, sizeof event.message);
    OK(viaduct_event_clear(&event));
    BYTES("stays", stays);
    OK(viaduct_buffer_free(&stays));
    GIVES(VIADUCT_RESULT_TIMEOUT, viaduct_queue_next(queue, 0, &event));
    GIVES(VIADUCT_RESULT_TIMEOUT, viaduct_queue_next(queue, 10, &event));
    OK(viaduct_queue_free(queue));
    echo_end(&echo);
}

static void descriptor(void) {
    echo echo = echo_begin(0);
    viaduct_queue *queue;
    OK(viaduct_queue_new(&queue));
    CHECK(viaduct_queue_fd(queue) >= 0);
    SAME(viaduct_queue_fd(queue), viaduct_queue_fd(queue));
    SAME(0, readable(queue, 0));
    for (int n = 0; n < 3; n++)
        OK(viaduct_channel_unary_start(echo.channel, UNARY, text("x"), &patient, to(queue, n), NULL));
    for (int n = 0; n < 3; n++) {
        SAME(1, readable(queue, PATIENCE));
        viaduct_event event;
        OK(viaduct_queue_next(queue, 0, &event));
        BYTES("x", event.message);
        OK(viaduct_event_clear(&event));
    }
    SAME(0, readable(queue, 0));
    OK(viaduct_queue_free(queue));
    SAME(-1, viaduct_queue_fd(NULL));
    echo_end(&echo);
}

static void streams(void) {
    echo echo = echo_begin(2);
    viaduct_queue *queue;
    OK(viaduct_queue_new(&queue));
    viaduct_call *call;
    OK(viaduct_channel_call(echo.channel, CHAT, NULL, &patient, &call));
    OK(viaduct_call_wait_headers_start(call, to(queue, 1)));
    GIVES(VIADUCT_RESULT_BUSY, viaduct_call_read_start(call, to(queue, 2)));
    OK(viaduct_call_write_start(call, text("a"), to(queue, 3)));
    int seen = 0;
    for (int n = 0; n < 2; n++) {
        viaduct_event event;
        OK(viaduct_queue_next(queue, PATIENCE, &event));
        GIVES(VIADUCT_RESULT_OK, event.result);
        seen |= 1 << event.kind;
        OK(viaduct_event_clear(&event));
    }
    SAME(1 << VIADUCT_EVENT_HEADERS | 1 << VIADUCT_EVENT_WRITE, seen);
    CHECK(viaduct_call_headers(call));
    OK(viaduct_call_read_start(call, to(queue, 4)));
    viaduct_event event = next(queue, VIADUCT_EVENT_READ, 4);
    BYTES("a", event.message);
    OK(viaduct_event_clear(&event));
    OK(viaduct_call_half_close(call));
    OK(viaduct_call_read_start(call, to(queue, 5)));
    event = next(queue, VIADUCT_EVENT_READ, 5);
    GIVES(VIADUCT_RESULT_END, event.result);
    OK(viaduct_call_wait_start(call, to(queue, 6)));
    event = next(queue, VIADUCT_EVENT_ENDED, 6);
    SAME(VIADUCT_CODE_OK, viaduct_status_code(event.status));
    OK(viaduct_event_clear(&event));
    GIVES(VIADUCT_RESULT_CLOSED, viaduct_call_write_start(call, text("b"), to(queue, 7)));
    OK(viaduct_call_free(call));

    OK(viaduct_channel_call(echo.channel, COLLECT, NULL, &patient, &call));
    OK(viaduct_call_write(call, text("all"), PATIENCE));
    OK(viaduct_call_response_start(call, to(queue, 8)));
    event = next(queue, VIADUCT_EVENT_RESPONSE, 8);
    BYTES("all", event.message);
    OK(viaduct_event_clear(&event));
    OK(viaduct_call_free(call));
    GIVES(VIADUCT_RESULT_TIMEOUT, viaduct_queue_next(queue, 0, &event));
    OK(viaduct_queue_free(queue));
    echo_end(&echo);
}

// Each thing that was started is told of once, whatever becomes of it.
static void freed_calls(void) {
    echo echo = echo_begin(2);
    viaduct_queue *queue;
    OK(viaduct_queue_new(&queue));
    viaduct_call *call;
    OK(viaduct_channel_unary_start(echo.channel, LATER, text("x"), &patient, to(queue, 1), &call));
    OK(viaduct_call_free(call));
    viaduct_event event = next(queue, VIADUCT_EVENT_RESPONSE, 1);
    CHECK(event.status);
    OK(viaduct_event_clear(&event));

    OK(viaduct_channel_call(echo.channel, HANG, NULL, &patient, &call));
    OK(viaduct_call_read_start(call, to(queue, 2)));
    OK(viaduct_call_free(call));
    event = next(queue, VIADUCT_EVENT_READ, 2);
    GIVES(VIADUCT_RESULT_FAILED, event.result);
    OK(viaduct_channel_wait_for_ready_start(echo.channel, to(queue, 3)));
    event = next(queue, VIADUCT_EVENT_READY, 3);
    GIVES(VIADUCT_RESULT_OK, event.result);
    GIVES(VIADUCT_RESULT_TIMEOUT, viaduct_queue_next(queue, 0, &event));
    OK(viaduct_queue_free(queue));
    echo_end(&echo);
}

static void queue_freed_before(void) {
    echo echo = echo_begin(2);
    viaduct_queue *queue;
    OK(viaduct_queue_new(&queue));
    CHECK(viaduct_queue_fd(queue) >= 0);
    viaduct_call *call;
    OK(viaduct_channel_call(echo.channel, HANG, NULL, &patient, &call));
    OK(viaduct_call_read_start(call, to(queue, 1)));
    for (int n = 0; n < 5; n++)
        OK(viaduct_channel_unary_start(echo.channel, UNARY, text("x"), &patient, to(queue, 2), NULL));
    OK(viaduct_queue_free(queue));
    OK(viaduct_call_free(call));
    echo_end(&echo);
}

static void runtime_gone(void) {
    echo echo = echo_begin(0);
    viaduct_runtime *runtime;
    viaduct_channel *channel;
    viaduct_queue *queue;
    OK(viaduct_queue_new(&queue));
    OK(viaduct_runtime_new(&runtime));
    OK(viaduct_channel_new(runtime, echo.target, NULL, NULL, &channel));
    OK(viaduct_runtime_free(runtime));
    OK(viaduct_channel_unary_start(channel, HANG, text("x"), &patient, to(queue, 1), NULL));
    // This is the last that holds the runtime.
    OK(viaduct_channel_free(channel));
    viaduct_event event = next(queue, VIADUCT_EVENT_RESPONSE, 1);
    CHECK(event.result == VIADUCT_RESULT_CLOSED || event.result == VIADUCT_RESULT_FAILED);
    OK(viaduct_event_clear(&event));
    OK(viaduct_queue_free(queue));
    echo_end(&echo);
}

static void completions(void) {
    echo echo = echo_begin(0);
    viaduct_completion none = {NULL, NULL, NULL};
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_channel_wait_for_ready_start(echo.channel, none));
    SAYS("the completion is empty");
    echo_end(&echo);
}

// Functions, on the library's thread.
typedef struct told {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    viaduct_channel *channel;
    viaduct_call *call;
    int events, result, blocking, nested;
    viaduct_buffer kept;
} told;

static void tell(told *told) {
    pthread_mutex_lock(&told->lock);
    told->events++;
    pthread_cond_signal(&told->changed);
    pthread_mutex_unlock(&told->lock);
}

static void wait_for(told *told, int events) {
    pthread_mutex_lock(&told->lock);
    while (told->events < events) pthread_cond_wait(&told->changed, &told->lock);
    pthread_mutex_unlock(&told->lock);
}

static void on_response(void *userdata, viaduct_event *event) {
    told *told = userdata;
    viaduct_buffer response;
    told->result = event->result;
    told->kept = event->message;
    memset(&event->message, 0, sizeof event->message);
    // It would have to wait.
    told->blocking = viaduct_channel_unary(told->channel, UNARY, text("y"), NULL, &response, NULL);
    viaduct_queue *queue;
    viaduct_queue_new(&queue);
    viaduct_event none;
    told->nested = viaduct_queue_next(queue, -1, &none);
    viaduct_queue_free(queue);
    tell(told);
}

static void callback(void) {
    echo echo = echo_begin(0);
    told told = {.channel = echo.channel};
    pthread_mutex_init(&told.lock, NULL);
    pthread_cond_init(&told.changed, NULL);
    viaduct_completion completion = {NULL, on_response, &told};
    OK(viaduct_channel_unary_start(echo.channel, UNARY, text("x"), &patient, completion, NULL));
    wait_for(&told, 1);
    GIVES(VIADUCT_RESULT_OK, told.result);
    GIVES(VIADUCT_RESULT_INSIDE_CALLBACK, told.blocking);
    GIVES(VIADUCT_RESULT_INSIDE_CALLBACK, told.nested);
    BYTES("x", told.kept);
    OK(viaduct_buffer_free(&told.kept));
    echo_end(&echo);
}

// A callback that calls back into its own call: it reads on, and frees the call at the end.
static void on_read(void *userdata, viaduct_event *event) {
    told *told = userdata;
    if (event->result == VIADUCT_RESULT_OK) {
        viaduct_buffer message;
        // It has nothing, or would have to wait; both are said.
        int result = viaduct_call_read(told->call, -1, &message);
        if (result == VIADUCT_RESULT_OK) viaduct_buffer_free(&message);
        told->nested |= result == VIADUCT_RESULT_INSIDE_CALLBACK || result == VIADUCT_RESULT_OK || result == VIADUCT_RESULT_END ? 0 : 1;
        viaduct_completion again = {NULL, on_read, told};
        if (viaduct_call_read_start(told->call, again) == VIADUCT_RESULT_OK) return;
    }
    told->result = event->result;
    viaduct_call_cancel(told->call);
    viaduct_call_free(told->call);
    tell(told);
}

static void callback_into_its_call(void) {
    echo echo = echo_begin(2);
    told told = {.channel = echo.channel};
    pthread_mutex_init(&told.lock, NULL);
    pthread_cond_init(&told.changed, NULL);
    viaduct_bytes request = text("abcdefgh");
    OK(viaduct_channel_call(echo.channel, EXPAND, &request, &patient, &told.call));
    viaduct_completion completion = {NULL, on_read, &told};
    OK(viaduct_call_read_start(told.call, completion));
    wait_for(&told, 1);
    SAME(0, told.nested);
    GIVES(VIADUCT_RESULT_END, told.result);
    echo_end(&echo);
}

// The last handle of a runtime is freed on the runtime's own thread.
static void on_last(void *userdata, viaduct_event *event) {
    told *told = userdata;
    told->result = event->result;
    viaduct_channel_free(told->channel);
    tell(told);
}

static void runtime_ends_in_callback(void) {
    echo echo = echo_begin(0);
    viaduct_runtime *runtime;
    told told = {0};
    pthread_mutex_init(&told.lock, NULL);
    pthread_cond_init(&told.changed, NULL);
    OK(viaduct_runtime_new(&runtime));
    viaduct_channel_options plain = {.size = sizeof plain, .proxy = ""};
    OK(viaduct_channel_new(runtime, echo.target, NULL, &plain, &told.channel));
    OK(viaduct_runtime_free(runtime));
    viaduct_completion completion = {NULL, on_last, &told};
    OK(viaduct_channel_unary_start(told.channel, UNARY, text("x"), &patient, completion, NULL));
    wait_for(&told, 1);
    GIVES(VIADUCT_RESULT_OK, told.result);
    echo_end(&echo);
}

const test queue_tests[] = {
    {"queue_unary", unary},
    {"queue_descriptor", descriptor},
    {"queue_streams", streams},
    {"queue_freed_calls", freed_calls},
    {"queue_freed_before", queue_freed_before},
    {"queue_runtime_gone", runtime_gone},
    {"completions", completions},
    {"callback", callback},
    {"callback_into_its_call", callback_into_its_call},
    {"callback_ends_runtime", runtime_ends_in_callback},
    {NULL, NULL},
};
