<?php

// Loads classes that protoc made (build/php) and Debian's google/protobuf. In a project of your own Composer does this.

spl_autoload_register(static function (string $class): void {
    foreach ([dirname(__DIR__, 2) . '/build/php', '/usr/share/php'] as $directory) {
        $file = $directory . '/' . strtr($class, '\\', '/') . '.php';
        if (is_file($file)) {
            require $file;
            return;
        }
    }
});
