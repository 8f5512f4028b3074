// Many calls at once from a program with an epoll loop of its own: no thread of the program's waits for any of them.
//
//     cc epoll-client.c $(pkg-config --cflags --libs viaduct) -o epoll-client
//     ./epoll-client [TARGET] NAME…
#include "greeter.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void take(const viaduct_event *event) {
    char text[256];
    const char *name = event->userdata;
    if (event->result == VIADUCT_RESULT_OK)
        printf("%s: %s\n", name, greeter_read(text, event->message.data, event->message.length));
    else if (event->status)
        printf("%s: %s: %s\n", name, viaduct_code_name(viaduct_status_code(event->status)),
               viaduct_status_message(event->status));
    else
        printf("%s: %s\n", name, viaduct_result_name(event->result));
}

static void watch(int loop, int descriptor) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, descriptor, &event) != 0) {
        perror("epoll_ctl");
        exit(1);
    }
}

int main(int argc, char **argv) {
    const char *target = argc > 1 ? argv[1] : "http://127.0.0.1:50051";
    viaduct_runtime *runtime;
    viaduct_channel *channel;
    viaduct_queue *queue;
    must(viaduct_runtime_new(&runtime), "runtime");
    must(viaduct_channel_new(runtime, target, NULL, NULL, &channel), "channel");
    must(viaduct_queue_new(&queue), "queue");

    // The queue is one descriptor among others: here a clock that ticks.
    int loop = epoll_create1(EPOLL_CLOEXEC), clock = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec second = {{1, 0}, {1, 0}};
    timerfd_settime(clock, 0, &second, NULL);
    watch(loop, clock);
    watch(loop, viaduct_queue_fd(queue));

    int running = 0;
    for (int n = 2; n < argc; n++, running++) {
        uint8_t space[256];
        viaduct_call_options options = {.size = sizeof options, .timeout_ms = 5000};
        viaduct_completion told = {queue, NULL, argv[n]};
        must(viaduct_channel_unary_start(channel, "/greeter.Greeter/SayHello", greeter_write(space, argv[n]), &options,
                                         told, NULL), "SayHello");
    }
    while (running > 0) {
        struct epoll_event ready;
        if (epoll_wait(loop, &ready, 1, -1) < 1) continue;
        if (ready.data.fd == clock) {
            uint64_t ticks;
            if (read(clock, &ticks, sizeof ticks) > 0) printf("%d calls run\n", running);
            continue;
        }
        viaduct_event event;
        while (viaduct_queue_next(queue, 0, &event) == VIADUCT_RESULT_OK) {
            take(&event);
            viaduct_event_clear(&event);
            running--;
        }
    }
    close(clock);
    close(loop);
    viaduct_queue_free(queue);
    viaduct_channel_free(channel);
    viaduct_runtime_free(runtime);
    return 0;
}
