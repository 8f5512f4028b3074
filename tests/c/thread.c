// Eight threads on one channel and one queue.
#include "echo.h"

#include <pthread.h>
#include <stdbool.h>
#include <threads.h>

#define THREADS 8

static int calls_of_each(void) {
    // Under valgrind each call takes a hundred times as long.
    const char *text = getenv("VIADUCT_TEST_CALLS");
    return text ? atoi(text) : 200;
}

typedef struct worker {
    pthread_t thread;
    echo *echo;
    viaduct_queue *queue;
    viaduct_call *call;
    int number, wrong;
} worker;

static void *call_unary(void *given) {
    worker *own = given;
    for (int n = calls_of_each(); n > 0; n--) {
        char text[32];
        snprintf(text, sizeof text, "%d of %d", n, own->number);
        viaduct_buffer response;
        if (viaduct_channel_unary(own->echo->channel, UNARY, viaduct_text(text), NULL, &response, NULL) != VIADUCT_RESULT_OK) {
            own->wrong++;
            continue;
        }
        own->wrong += response.length != strlen(text) || memcmp(response.data, text, response.length) != 0;
        viaduct_buffer_free(&response);
    }
    return NULL;
}

static void run(worker *workers, void *(*work)(void *)) {
    for (int n = 0; n < THREADS; n++) SAME(0, pthread_create(&workers[n].thread, NULL, work, &workers[n]));
    for (int n = 0; n < THREADS; n++) SAME(0, pthread_join(workers[n].thread, NULL));
    for (int n = 0; n < THREADS; n++) SAME(0, workers[n].wrong);
}

static void one_channel(void) {
    for (unsigned threads = 0; threads < 4; threads += 3) {
        echo echo = echo_begin(threads);
        worker workers[THREADS] = {0};
        for (int n = 0; n < THREADS; n++) workers[n] = (worker){.echo = &echo, .number = n};
        run(workers, call_unary);
        echo_end(&echo);
    }
}

// Who starts a call need not be who hears of its end.
static void *start_and_take(void *given) {
    worker *own = given;
    viaduct_completion told = {own->queue, NULL, own};
    for (int n = calls_of_each(); n > 0; n--) {
        if (viaduct_channel_unary_start(own->echo->channel, UNARY, viaduct_text("x"), NULL, told, NULL) != VIADUCT_RESULT_OK)
            own->wrong++;
        viaduct_event event;
        if (viaduct_queue_next(own->queue, PATIENCE, &event) != VIADUCT_RESULT_OK) {
            own->wrong++;
            continue;
        }
        own->wrong += event.result != VIADUCT_RESULT_OK || event.message.length != 1;
        viaduct_event_clear(&event);
    }
    return NULL;
}

static void one_queue(void) {
    echo echo = echo_begin(0);
    viaduct_queue *queue;
    OK(viaduct_queue_new(&queue));
    CHECK(viaduct_queue_fd(queue) >= 0);
    worker workers[THREADS] = {0};
    for (int n = 0; n < THREADS; n++) workers[n] = (worker){.echo = &echo, .queue = queue, .number = n};
    run(workers, start_and_take);
    OK(viaduct_queue_free(queue));
    echo_end(&echo);
}

// Whoever only asks again keeps the processor from those it waits for, under valgrind for minutes.
static bool busy(viaduct_result result) {
    if (result == VIADUCT_RESULT_BUSY) thrd_sleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return result == VIADUCT_RESULT_BUSY;
}

// One thread writes, one reads, the others get in their way.
static void *use_one_call(void *given) {
    worker *own = given;
    for (int n = calls_of_each() / 4; n > 0; n--) {
        viaduct_buffer message;
        viaduct_result result;
        if (own->number % 2) {
            do result = viaduct_call_write(own->call, viaduct_text("m"), PATIENCE);
            while (busy(result));
        } else {
            do result = viaduct_call_read(own->call, PATIENCE, &message);
            while (busy(result));
            if (result == VIADUCT_RESULT_OK) viaduct_buffer_free(&message);
        }
        own->wrong += result != VIADUCT_RESULT_OK;
    }
    return NULL;
}

static void one_call(void) {
    echo echo = echo_begin(2);
    viaduct_call *call;
    OK(viaduct_channel_call(echo.channel, CHAT, NULL, NULL, &call));
    worker workers[THREADS] = {0};
    for (int n = 0; n < THREADS; n++) workers[n] = (worker){.echo = &echo, .call = call, .number = n};
    run(workers, use_one_call);
    OK(viaduct_call_half_close(call));
    viaduct_status *status;
    OK(viaduct_call_wait(call, PATIENCE, &status));
    SAME(VIADUCT_CODE_OK, viaduct_status_code(status));
    OK(viaduct_status_free(status));
    OK(viaduct_call_free(call));
    echo_end(&echo);
}

const test thread_tests[] = {
    {"threads_on_one_channel", one_channel},
    {"threads_on_one_queue", one_queue},
    {"threads_on_one_call", one_call},
    {NULL, NULL},
};
