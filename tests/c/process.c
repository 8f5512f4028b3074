// What concerns the process: the log, and fork.
#define _POSIX_C_SOURCE 200809L
#include "echo.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int lines, nested;
static char last[256];

static void line(void *userdata, int32_t level, const char *module, const char *message) {
    pthread_mutex_lock(&lock);
    *(int *)userdata = level;
    lines++;
    snprintf(last, sizeof last, "%s: %s", module, message);
    nested = viaduct_log_set(VIADUCT_LOG_OFF, NULL, NULL);
    pthread_mutex_unlock(&lock);
}

// Something that is no HTTP/2 makes the server say something.
static void annoy(const char *target) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strrchr(target, ':') + 1))};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    const char nonsense[] = "this is no HTTP/2, and long enough to be seen as none\r\n\r\n";
    CHECK(send(fd, nonsense, sizeof nonsense, MSG_NOSIGNAL) > 0);
    char answer[64];
    while (recv(fd, answer, sizeof answer, 0) > 0) {
    }
    close(fd);
}

static int so_far(void) {
    pthread_mutex_lock(&lock);
    int count = lines;
    pthread_mutex_unlock(&lock);
    return count;
}

static void the_log(void) {
    echo echo = echo_begin(0);
    int level = 0;
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_log_set(6, line, &level));
    OK(viaduct_log_set(VIADUCT_LOG_DEBUG, line, &level));
    annoy(echo.target);
    for (int n = 0; n < 600 && !so_far(); n++) nanosleep(&(struct timespec){0, 100000000}, NULL);
    pthread_mutex_lock(&lock);
    CHECK(lines > 0);
    CHECK(strstr(last, "viaduct::server"));
    SAME(VIADUCT_LOG_INFO, level);
    GIVES(VIADUCT_RESULT_INSIDE_CALLBACK, nested);
    int before = lines;
    pthread_mutex_unlock(&lock);
    OK(viaduct_log_set(VIADUCT_LOG_OFF, NULL, NULL));
    annoy(echo.target);
    echo_expect(echo.channel, "x", "x");
    SAME(before, so_far());
    echo_end(&echo);
}

static int in_child(echo *echo, viaduct_call *call, viaduct_queue *queue) {
    viaduct_buffer response;
    viaduct_event event;
    if (viaduct_channel_unary(echo->channel, UNARY, text("x"), NULL, &response, NULL) != VIADUCT_RESULT_FORKED) return 1;
    if (viaduct_call_read(call, -1, &response) != VIADUCT_RESULT_FORKED) return 2;
    if (viaduct_queue_next(queue, -1, &event) != VIADUCT_RESULT_FORKED) return 3;
    if (viaduct_queue_fd(queue) != -1) return 4;
    if (viaduct_call_free(call) != VIADUCT_RESULT_OK || viaduct_queue_free(queue) != VIADUCT_RESULT_OK) return 5;
    if (viaduct_channel_free(echo->channel) != VIADUCT_RESULT_OK || viaduct_server_free(echo->server) != VIADUCT_RESULT_OK) return 6;
    if (viaduct_runtime_free(echo->runtime) != VIADUCT_RESULT_OK) return 7;
    // New ones work: the child is a client of its parent.
    viaduct_runtime *runtime;
    viaduct_channel *channel;
    viaduct_channel_options plain = {.size = sizeof plain, .proxy = ""};
    viaduct_call_options options = {.size = sizeof options, .timeout_ms = PATIENCE};
    if (viaduct_runtime_new(&runtime) != VIADUCT_RESULT_OK) return 8;
    if (viaduct_channel_new(runtime, echo->target, NULL, &plain, &channel) != VIADUCT_RESULT_OK) return 9;
    if (viaduct_channel_unary(channel, UNARY, text("child"), &options, &response, NULL) != VIADUCT_RESULT_OK) return 10;
    if (response.length != 5) return 11;
    viaduct_buffer_free(&response);
    viaduct_channel_free(channel);
    viaduct_runtime_free(runtime);
    return 0;
}

static void forked(void) {
    echo echo = echo_begin(2);
    viaduct_queue *queue;
    viaduct_call *call;
    OK(viaduct_queue_new(&queue));
    CHECK(viaduct_queue_fd(queue) >= 0);
    OK(viaduct_channel_call(echo.channel, CHAT, NULL, NULL, &call));
    OK(viaduct_call_write(call, text("before"), PATIENCE));
    int answer[2];
    CHECK(pipe(answer) == 0);
    pid_t child = fork();
    if (child == 0) {
        // What the threads of the parent held is nobody's here: valgrind must not look at the end.
        unsigned char result = (unsigned char)in_child(&echo, call, queue);
        if (write(answer[1], &result, 1) == 1) raise(SIGKILL);
        _exit(1);
    }
    close(answer[1]);
    unsigned char result = 99;
    CHECK(child > 0 && read(answer[0], &result, 1) == 1);
    close(answer[0]);
    CHECK(waitpid(child, NULL, 0) == child);
    SAME(0, result);
    // The parent has not noticed.
    viaduct_buffer message;
    OK(viaduct_call_read(call, PATIENCE, &message));
    BYTES("before", message);
    OK(viaduct_buffer_free(&message));
    OK(viaduct_call_free(call));
    OK(viaduct_channel_unary_start(echo.channel, UNARY, text("x"), NULL, (viaduct_completion){queue, NULL, NULL}, NULL));
    viaduct_event event;
    OK(viaduct_queue_next(queue, PATIENCE, &event));
    BYTES("x", event.message);
    OK(viaduct_event_clear(&event));
    OK(viaduct_queue_free(queue));
    echo_end(&echo);
}

const test process_tests[] = {{"log", the_log}, {"fork", forked}, {NULL, NULL}};
