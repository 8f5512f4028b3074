// Unary calls through the C API, one after the other. Prints one line of JSON. client PORT SIZE CALLS
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <viaduct.h>

#define WARM_UP 100

static void must(viaduct_result result) {
    if (result == VIADUCT_RESULT_OK) return;
    fprintf(stderr, "%s: %s\n", viaduct_result_name(result), viaduct_error_message());
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static double cpu(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int ascending(const void *a, const void *b) {
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    size_t size = (size_t)atol(argv[2]), calls = (size_t)atol(argv[3]);
    uint8_t *data = malloc(size + 1);
    double *times = malloc((calls + 1) * sizeof *times);
    if (!data || !times) return 2;
    memset(data, 'x', size);
    char target[64];
    snprintf(target, sizeof target, "http://127.0.0.1:%s", argv[1]);
    viaduct_runtime *runtime;
    viaduct_channel *channel;
    must(viaduct_runtime_new(&runtime));
    must(viaduct_channel_new(runtime, target, NULL, NULL, &channel));
    double used = 0, began = 0;
    for (size_t n = 0; n < WARM_UP + calls; n++) {
        if (n == WARM_UP) used = cpu(), began = now();
        double start = now();
        viaduct_buffer response;
        must(viaduct_channel_unary(channel, "/bench.Echo/Unary", (viaduct_bytes){data, size}, NULL, &response, NULL));
        if (response.length != size) return 2;
        viaduct_buffer_free(&response);
        if (n >= WARM_UP) times[n - WARM_UP] = now() - start;
    }
    used = cpu() - used, began = now() - began;
    qsort(times, calls, sizeof *times, ascending);
    printf("{\"p50_us\": %.2f, \"cpu_us\": %.2f, \"calls_per_s\": %.0f}\n", times[calls / 2], used / (double)calls,
           (double)calls / (began / 1e6));
    viaduct_channel_free(channel);
    viaduct_runtime_free(runtime);
    free(data), free(times);
    return 0;
}
