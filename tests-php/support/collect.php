<?php

// Put before every script that runs under valgrind: what the script leaves is collected before PHP exits. PHP itself frees
// no objects that point at each other then; it leaves their memory to the allocator, which valgrind has to do without.
register_shutdown_function(function () {
    register_shutdown_function(function () {
        foreach (array_keys($GLOBALS) as $name) {
            unset($GLOBALS[$name]);
        }
        gc_collect_cycles();
    });
});
