// Proxies: from a configuration's text, through reloads, to the end.
#define _POSIX_C_SOURCE 200809L
#include "echo.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct config {
    char text[2048];
} config;

// What forwards to a server that echoes; `more` stands before the first table, `end` at the end.
static config of(const echo *echo, const char *more, const char *end) {
    config config;
    int length = snprintf(config.text, sizeof config.text,
                          "%s\n[[listen]]\naddress = \"http://127.0.0.1:0\"\n"
                          "[[group]]\nname = \"echo\"\nmembers = [\"%s\"]\n%s\n",
                          more, echo->target + strlen("http://"), end);
    CHECK(length > 0 && (size_t)length < sizeof config.text);
    return config;
}

static viaduct_proxy *begin(const echo *echo, const char *end) {
    viaduct_proxy *proxy;
    OK(viaduct_proxy_start(of(echo, "", end).text, &proxy));
    return proxy;
}

static void address_of(const viaduct_proxy *proxy, char *place, size_t size) {
    char *address;
    OK(viaduct_proxy_address(proxy, 0, &address));
    CHECK(strlen(address) < size);
    strcpy(place, address);
    OK(viaduct_string_free(address));
}

static viaduct_channel *channel_to(const echo *echo, const viaduct_proxy *proxy) {
    char address[128];
    address_of(proxy, address, sizeof address);
    viaduct_channel *channel;
    viaduct_channel_options plain = {.size = sizeof plain, .proxy = ""};
    OK(viaduct_channel_new(echo->runtime, address, NULL, &plain, &channel));
    return channel;
}

static viaduct_call *chat_on(viaduct_channel *channel) {
    viaduct_call *call;
    viaduct_call_options options = {.size = sizeof options, .timeout_ms = PATIENCE};
    OK(viaduct_channel_call(channel, CHAT, NULL, &options, &call));
    return call;
}

static void chat(viaduct_call *call, const char *line) {
    viaduct_buffer message;
    OK(viaduct_call_write(call, text(line), PATIENCE));
    OK(viaduct_call_read(call, PATIENCE, &message));
    BYTES(line, message);
    OK(viaduct_buffer_free(&message));
}

static void end_chat(viaduct_call *call) {
    viaduct_buffer message;
    OK(viaduct_call_half_close(call));
    GIVES(VIADUCT_RESULT_END, viaduct_call_read(call, PATIENCE, &message));
    OK(viaduct_call_free(call));
}

static void end(viaduct_proxy *proxy) {
    OK(viaduct_proxy_shutdown(proxy));
    OK(viaduct_proxy_wait(proxy, PATIENCE));
    OK(viaduct_proxy_free(proxy));
}

static void forwards(void) {
    echo echo = echo_begin(2);
    viaduct_proxy *proxy;
    config config = of(&echo, "workers = 2", "[admin]\naddress = \"http://127.0.0.1:0\"\n[drain]\nnotice = 0");
    OK(viaduct_proxy_start(config.text, &proxy));
    char *address = NULL;
    GIVES(VIADUCT_RESULT_END, viaduct_proxy_address(proxy, 1, &address));
    CHECK(!address);
    OK(viaduct_proxy_admin_address(proxy, &address));
    CHECK(strncmp(address, "http://127.0.0.1:", 17) == 0 && atoi(address + 17) > 0);
    OK(viaduct_string_free(address));
    viaduct_channel *channel = channel_to(&echo, proxy);
    echo_expect(channel, "through the proxy", "through the proxy");
    viaduct_buffer response;
    viaduct_status *status;
    GIVES(VIADUCT_RESULT_FAILED, viaduct_channel_unary(channel, FAIL, text("x"), NULL, &response, &status));
    SAME(VIADUCT_CODE_NOT_FOUND, viaduct_status_code(status));
    SAME(1, viaduct_status_detail_count(status));
    OK(viaduct_status_free(status));
    viaduct_call *call = chat_on(channel);
    chat(call, "one");
    chat(call, "two");
    end_chat(call);
    OK(viaduct_channel_free(channel));
    end(proxy);
    echo_end(&echo);
}

static void configurations(void) {
    echo echo = echo_begin(0);
    char *explanation;
    OK(viaduct_proxy_check(of(&echo, "", "").text, &explanation));
    CHECK(strstr(explanation, "http://127.0.0.1:0") && strstr(explanation, "echo"));
    OK(viaduct_string_free(explanation));
    OK(viaduct_proxy_check(of(&echo, "", "").text, NULL));

    viaduct_proxy *proxy = (viaduct_proxy *)(void *)&echo;
    static const char *const wrong[][3] = {
        {"[[listen]]\nadress = \"http://127.0.0.1:0\"\n", "config:2: ", "did you mean \"address\"?"},
        {"[[listen]]\n\naddress = 5\n", "config:3: ", "expected"},
        {"[[listen\n", "config:1: ", "this is no TOML"},
        {"", "there is no [[listen]]", "there is no [[group]]"},
    };
    for (size_t n = 0; n < sizeof wrong / sizeof *wrong; n++) {
        explanation = NULL;
        GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_proxy_check(wrong[n][0], &explanation));
        CHECK(!explanation);
        SAYS(wrong[n][1]);
        SAYS(wrong[n][2]);
        GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_proxy_start(wrong[n][0], &proxy));
        SAYS(wrong[n][1]);
        SAYS(wrong[n][2]);
    }
    GIVES(VIADUCT_RESULT_NOT_UTF8, viaduct_proxy_check("\xff", NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_proxy_check(NULL, NULL));
    SAYS("the configuration is NULL");
    GIVES(VIADUCT_RESULT_NULL, viaduct_proxy_start(NULL, &proxy));
    GIVES(VIADUCT_RESULT_NULL, viaduct_proxy_start(of(&echo, "", "").text, NULL));
    SAYS("the place for the proxy is NULL");
    config nowhere = of(&echo, "", "[[listen]]\naddress = \"unix:/nowhere/at/all.sock\"");
    OK(viaduct_proxy_check(nowhere.text, NULL));
    GIVES(VIADUCT_RESULT_SYSTEM, viaduct_proxy_start(nowhere.text, &proxy));
    SAYS("/nowhere/at/all.sock");
    GIVES(VIADUCT_RESULT_SYSTEM, viaduct_proxy_start(of(&echo, "", "[access_log]\npath = \"/nowhere/at/all\"").text, &proxy));
    CHECK(!proxy);
    echo_end(&echo);
}

static void reload(void) {
    echo echo = echo_begin(2);
    viaduct_proxy *proxy = begin(&echo, "[drain]\nnotice = 0");
    viaduct_channel *channel = channel_to(&echo, proxy);
    viaduct_call *call = chat_on(channel);
    chat(call, "before");

    // Nothing of what is wrong takes effect.
    config wrong = of(&echo, "", "[[route]]\nservice = \"none\"\ngroup = \"eco\"");
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_proxy_reload(proxy, wrong.text));
    SAYS("config:9: ");
    SAYS("there is no group \"eco\"; did you mean \"echo\"?");
    config nowhere = of(&echo, "", "[[listen]]\naddress = \"unix:/nowhere/at/all.sock\"");
    GIVES(VIADUCT_RESULT_SYSTEM, viaduct_proxy_reload(proxy, nowhere.text));
    GIVES(VIADUCT_RESULT_NULL, viaduct_proxy_reload(proxy, NULL));
    echo_expect(channel, "still there", "still there");

    // What stays the same goes on, and what is new is there.
    char before[128], after[128], *second;
    address_of(proxy, before, sizeof before);
    config more = of(&echo, "", "[[listen]]\naddress = \"http://localhost:0\"\n[[route]]\nmethod = \"Chat\"");
    OK(viaduct_proxy_reload(proxy, more.text));
    address_of(proxy, after, sizeof after);
    TEXT(before, after);
    OK(viaduct_proxy_address(proxy, 1, &second));
    OK(viaduct_string_free(second));
    chat(call, "after");
    viaduct_buffer response;
    GIVES(VIADUCT_RESULT_FAILED, viaduct_channel_unary(channel, UNARY, text("x"), NULL, &response, NULL));
    SAYS("UNIMPLEMENTED");
    end_chat(call);
    OK(viaduct_proxy_reload(proxy, of(&echo, "", "[drain]\nnotice = 0").text));
    echo_expect(channel, "as before", "as before");
    OK(viaduct_channel_free(channel));
    end(proxy);
    echo_end(&echo);
}

static void drain(void) {
    echo echo = echo_begin(2);
    viaduct_proxy *proxy = begin(&echo, "[drain]\nnotice = 0");
    viaduct_channel *channel = channel_to(&echo, proxy);
    viaduct_call *call = chat_on(channel);
    chat(call, "before");
    GIVES(VIADUCT_RESULT_TIMEOUT, viaduct_proxy_wait(proxy, 0));
    OK(viaduct_proxy_shutdown(proxy));
    OK(viaduct_proxy_shutdown(proxy));
    GIVES(VIADUCT_RESULT_WRONG_STATE, viaduct_proxy_reload(proxy, of(&echo, "", "").text));
    SAYS("has been told to end");
    GIVES(VIADUCT_RESULT_TIMEOUT, viaduct_proxy_wait(proxy, 0));
    GIVES(VIADUCT_RESULT_TIMEOUT, viaduct_proxy_wait(proxy, 1));
    chat(call, "it runs on");
    end_chat(call);
    OK(viaduct_proxy_wait(proxy, -1));
    OK(viaduct_proxy_wait(proxy, 0));
    OK(viaduct_channel_free(channel));
    OK(viaduct_proxy_free(proxy));

    // What does not end by itself is cut: by the configuration's grace, and by freeing.
    for (int freeing = 0; freeing < 2; freeing++) {
        proxy = begin(&echo, freeing ? "" : "[drain]\nnotice = 0\ngrace = \"50ms\"");
        channel = channel_to(&echo, proxy);
        call = chat_on(channel);
        chat(call, "x");
        if (freeing) OK(viaduct_proxy_free(proxy));
        else end(proxy);
        viaduct_buffer message;
        GIVES(VIADUCT_RESULT_FAILED, viaduct_call_read(call, PATIENCE, &message));
        OK(viaduct_call_free(call));
        OK(viaduct_channel_free(channel));
    }
    echo_end(&echo);
}

typedef struct told {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int events, results[4];
    viaduct_proxy *proxy;
    config config;
} told;

static void ended(void *userdata, viaduct_event *event) {
    told *told = userdata;
    viaduct_proxy *other;
    pthread_mutex_lock(&told->lock);
    told->results[0] = event->result;
    told->results[1] = viaduct_proxy_start(told->config.text, &other);
    told->results[2] = viaduct_proxy_wait(told->proxy, -1);
    told->results[3] = viaduct_proxy_free(told->proxy);
    told->events++;
    pthread_cond_signal(&told->changed);
    pthread_mutex_unlock(&told->lock);
}

static void told_later(void) {
    echo echo = echo_begin(0);
    viaduct_queue *queue;
    viaduct_event event;
    OK(viaduct_queue_new(&queue));
    viaduct_completion to_queue = {queue, NULL, &echo}, none = {NULL, NULL, NULL};
    viaduct_proxy *proxy = begin(&echo, "[drain]\nnotice = 0");
    GIVES(VIADUCT_RESULT_INVALID_ARGUMENT, viaduct_proxy_wait_start(proxy, none));
    OK(viaduct_proxy_wait_start(proxy, to_queue));
    GIVES(VIADUCT_RESULT_TIMEOUT, viaduct_queue_next(queue, 0, &event));
    OK(viaduct_proxy_shutdown(proxy));
    OK(viaduct_queue_next(queue, PATIENCE, &event));
    SAME(VIADUCT_EVENT_DRAINED, event.kind);
    GIVES(VIADUCT_RESULT_OK, event.result);
    CHECK(event.userdata == &echo);
    OK(viaduct_proxy_free(proxy));

    // Whoever waits hears of it that the proxy has gone.
    proxy = begin(&echo, "");
    OK(viaduct_proxy_wait_start(proxy, to_queue));
    OK(viaduct_proxy_free(proxy));
    OK(viaduct_queue_next(queue, PATIENCE, &event));
    SAME(VIADUCT_EVENT_DRAINED, event.kind);
    CHECK(event.result == VIADUCT_RESULT_OK || event.result == VIADUCT_RESULT_CLOSED);
    GIVES(VIADUCT_RESULT_TIMEOUT, viaduct_queue_next(queue, 0, &event));

    // A function, on the proxy's own thread, that frees it.
    told told = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .config = of(&echo, "", "")};
    told.proxy = begin(&echo, "[drain]\nnotice = 0");
    OK(viaduct_proxy_wait_start(told.proxy, (viaduct_completion){NULL, ended, &told}));
    OK(viaduct_proxy_shutdown(told.proxy));
    pthread_mutex_lock(&told.lock);
    while (!told.events) pthread_cond_wait(&told.changed, &told.lock);
    pthread_mutex_unlock(&told.lock);
    SAME(1, told.events);
    GIVES(VIADUCT_RESULT_OK, told.results[0]);
    GIVES(VIADUCT_RESULT_INSIDE_CALLBACK, told.results[1]);
    GIVES(VIADUCT_RESULT_OK, told.results[2]);
    GIVES(VIADUCT_RESULT_OK, told.results[3]);
    OK(viaduct_queue_free(queue));
    echo_end(&echo);
}

static void misuse(void) {
    echo echo = echo_begin(0);
    viaduct_proxy *proxy = begin(&echo, "");
    char *address;
    GIVES(VIADUCT_RESULT_NULL, viaduct_proxy_address(proxy, 0, NULL));
    GIVES(VIADUCT_RESULT_NULL, viaduct_proxy_admin_address(proxy, NULL));
    GIVES(VIADUCT_RESULT_END, viaduct_proxy_admin_address(proxy, &address));
    GIVES(VIADUCT_RESULT_WRONG_HANDLE, viaduct_server_shutdown((viaduct_server *)(void *)proxy));
    SAYS("expected a viaduct_server, and this is a viaduct_proxy");
    GIVES(VIADUCT_RESULT_WRONG_HANDLE, viaduct_proxy_shutdown((viaduct_proxy *)(void *)echo.server));
    GIVES(VIADUCT_RESULT_WRONG_HANDLE, viaduct_proxy_free((viaduct_proxy *)(void *)echo.server));
    OK(viaduct_proxy_free(proxy));
    const char *build = getenv("VIADUCT_TEST_BUILD");
    if (build && strcmp(build, "debug") == 0) {
        GIVES(VIADUCT_RESULT_FREED, viaduct_proxy_free(proxy));
        GIVES(VIADUCT_RESULT_FREED, viaduct_proxy_wait(proxy, 0));
        SAYS("the viaduct_proxy has been freed");
    }
    echo_end(&echo);
}

static int refused(const char *address) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1))};
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    int failed = connect(fd, (struct sockaddr *)&to, sizeof to);
    close(fd);
    return failed;
}

static int in_child(const echo *echo, viaduct_proxy *proxy) {
    char *address;
    viaduct_completion none = {NULL, NULL, NULL};
    config config = of(echo, "", "[drain]\nnotice = 0");
    if (viaduct_proxy_address(proxy, 0, &address) != VIADUCT_RESULT_FORKED) return 1;
    if (viaduct_proxy_reload(proxy, config.text) != VIADUCT_RESULT_FORKED) return 2;
    if (viaduct_proxy_shutdown(proxy) != VIADUCT_RESULT_FORKED) return 3;
    if (viaduct_proxy_wait(proxy, -1) != VIADUCT_RESULT_FORKED) return 4;
    if (viaduct_proxy_wait_start(proxy, none) != VIADUCT_RESULT_FORKED) return 5;
    if (viaduct_proxy_free(proxy) != VIADUCT_RESULT_OK) return 6;
    // A new one works.
    viaduct_proxy *own;
    if (viaduct_proxy_start(config.text, &own) != VIADUCT_RESULT_OK) return 7;
    if (viaduct_proxy_shutdown(own) != VIADUCT_RESULT_OK || viaduct_proxy_wait(own, PATIENCE) != VIADUCT_RESULT_OK) return 8;
    return viaduct_proxy_free(own) == VIADUCT_RESULT_OK ? 0 : 9;
}

static void forked(void) {
    echo echo = echo_begin(2);
    viaduct_proxy *proxy = begin(&echo, "[drain]\nnotice = 0");
    viaduct_channel *channel = channel_to(&echo, proxy);
    viaduct_call *call = chat_on(channel);
    chat(call, "before");
    char address[128];
    address_of(proxy, address, sizeof address);
    int answer[2], go[2];
    CHECK(pipe(answer) == 0 && pipe(go) == 0);
    pid_t child = fork();
    if (child == 0) {
        close(go[1]);
        unsigned char result = (unsigned char)in_child(&echo, proxy), nothing;
        // It stays until the parent has looked, and leaves without a look of valgrind's.
        if (write(answer[1], &result, 1) == 1 && read(go[0], &nothing, 1) == 0) raise(SIGKILL);
        _exit(1);
    }
    close(answer[1]);
    unsigned char result = 99;
    CHECK(child > 0 && read(answer[0], &result, 1) == 1);
    chat(call, "the parent has not noticed");
    end_chat(call);
    OK(viaduct_channel_free(channel));
    CHECK(!refused(address));
    end(proxy);
    // The child, which is still there, holds no socket of the proxy's.
    int gone = refused(address);
    close(answer[0]);
    close(go[0]);
    close(go[1]);
    CHECK(waitpid(child, NULL, 0) == child);
    SAME(0, result);
    CHECK(gone);
    echo_end(&echo);
}

const test proxy_tests[] = {
    {"proxy_forwards", forwards}, {"proxy_configurations", configurations}, {"proxy_reload", reload},
    {"proxy_drain", drain},       {"proxy_told_later", told_later},         {"proxy_misuse", misuse},
    {"proxy_fork", forked},       {NULL, NULL},
};
