--TEST--
Proxy: configurations that cannot be used, and methods at the wrong time
--EXTENSIONS--
grpc
posix
pcntl
--FILE--
<?php
require __DIR__ . '/../support/proxy.php';

use Viaduct\Proxy;

function attempt(callable $do): void
{
    try {
        $do();
        echo "done\n";
    } catch (Throwable $e) {
        echo $e::class, ': ', str_replace(scratch(), '…', $e->getMessage()), "\n";
    }
}
$good = forwarding('http://127.0.0.1:1');
echo "--- texts\n";
attempt(fn() => new Proxy(''));
attempt(fn() => new Proxy("[[listen]]\nadress = \"http://127.0.0.1:0\"\n[[group]]\nname = \"a\"\nmembers = [\"a:1\"]\nballance = \"round_robin\"\n"));
attempt(fn() => new Proxy("[[listen\n"));
attempt(fn() => new Proxy("# \xff"));
attempt(fn() => new Proxy());
attempt(fn() => new Proxy([]));
attempt(fn() => new Proxy($good, 1));
echo "--- files\n";
attempt(fn() => Proxy::fromFile('/nowhere/at/all.toml'));
attempt(fn() => Proxy::fromFile("nul\0byte"));
attempt(fn() => Proxy::fromFile(''));
file_put_contents(scratch() . '/wrong.toml', "workers = 0\n$good");
attempt(fn() => Proxy::fromFile(scratch() . '/wrong.toml'));
file_put_contents(scratch() . '/tls.toml', str_replace('http:', 'https:', "$good\n[admin]\naddress = \"http://127.0.0.1:0\"\n"));
attempt(fn() => Proxy::fromFile(scratch() . '/tls.toml'));
echo "--- addresses\n";
foreach (['[[listen]]' . "\n" . 'address = "unix:/nowhere/at/all.sock"', '[access_log]' . "\n" . 'path = "/nowhere/at/all"'] as $more) {
    $proxy = new Proxy(forwarding('http://127.0.0.1:1', $more));
    attempt(fn() => $proxy->listen());
    attempt(fn() => $proxy->run());
    var_dump($proxy->addresses());
    // What was wrong can be put right.
    attempt(fn() => $proxy->reload($good));
    attempt(fn() => $proxy->listen());
}
echo "--- at the wrong time\n";
attempt(fn() => $proxy->listen());
attempt(fn() => $proxy->__construct($good));
attempt(fn() => $proxy->stop(-1));
attempt(fn() => $proxy->stop(NAN));
attempt(fn() => $proxy->stop('soon'));
attempt(fn() => clone $proxy);
attempt(fn() => serialize($proxy));
(new Fiber(fn() => attempt(fn() => $proxy->run())))->start();
Viaduct\async(fn() => attempt(fn() => $proxy->run()))->wait();
attempt(fn() => $proxy->stop());
attempt(fn() => $proxy->stop());
attempt(fn() => $proxy->listen());
attempt(fn() => $proxy->addresses());
attempt(fn() => $proxy->run());
$never = new Proxy($good);
attempt(fn() => $never->stop());
attempt(fn() => $never->listen());
$runs = new Proxy($good);
Viaduct\async(function () use ($runs) { Viaduct\delay(0); attempt(fn() => $runs->run()); $runs->stop(); });
attempt(fn() => $runs->run());
attempt(fn() => $runs->run());
?>
--EXPECT--
--- texts
Viaduct\InvalidArgumentException: config:1: there is no [[group]]; expected at least one
config:1: there is no [[listen]]; expected at least one
Viaduct\InvalidArgumentException: config:1: [[listen]] has no "address"; expected "http://host:port", "https://host:port", "tcp://host:port", "unix:/path" or "unix-abstract:name"
config:2: unknown key "adress" in [[listen]]; did you mean "address"?
config:6: unknown key "ballance" in [[group]]; did you mean "balance"?
Viaduct\InvalidArgumentException: config:1: this is no TOML: unclosed array table, expected `]]`
Viaduct\InvalidArgumentException: config is not UTF-8 from byte 2 on
ArgumentCountError: Viaduct\Proxy::__construct() expects exactly 1 argument, 0 given
TypeError: Viaduct\Proxy::__construct(): Argument #1 ($config) must be of type string, array given
ArgumentCountError: Viaduct\Proxy::__construct() expects exactly 1 argument, 2 given
--- files
Viaduct\InvalidArgumentException: /nowhere/at/all.toml: the file cannot be read: No such file or directory (os error 2)
Viaduct\InvalidArgumentException: path is "nul\0byte"; expected that of a file
Viaduct\InvalidArgumentException: path is ""; expected that of a file
Viaduct\InvalidArgumentException: …/wrong.toml:1: "workers" in the file is 0; expected a whole number from 1 to 256
Viaduct\InvalidArgumentException: …/tls.toml:2: "https://127.0.0.1:0" needs certificate = "…" and key = "…", the paths of PEM files
…/tls.toml:10: "address" in [admin] is "https://127.0.0.1:0"; expected "http://host:port" or "unix:/path"
--- addresses
Viaduct\RuntimeException: cannot listen on "unix:/nowhere/at/all.sock": No such file or directory (os error 2)
Viaduct\RuntimeException: cannot listen on "unix:/nowhere/at/all.sock": No such file or directory (os error 2)
array(0) {
}
done
done
Viaduct\RuntimeException: cannot open the access log /nowhere/at/all: No such file or directory (os error 2)
Viaduct\RuntimeException: cannot open the access log /nowhere/at/all: No such file or directory (os error 2)
array(0) {
}
done
done
--- at the wrong time
Viaduct\LogicException: listen() once more: the proxy listens already
Error: the Viaduct\Proxy is constructed already
Viaduct\InvalidArgumentException: drainTimeout is -1; expected a finite number of seconds, 0 or more
Viaduct\InvalidArgumentException: drainTimeout is NAN; expected a finite number of seconds, 0 or more
TypeError: Viaduct\Proxy::stop(): Argument #1 ($drainTimeout) must be of type ?float, string given
Error: Trying to clone an uncloneable object of class Viaduct\Proxy
Exception: Serialization of 'Viaduct\Proxy' is not allowed
Viaduct\LogicException: run() inside a fiber or another run(): it belongs on the main stack
Viaduct\LogicException: run() inside a fiber or another run(): it belongs on the main stack
done
done
Viaduct\LogicException: listen() after the end: make a new proxy
done
done
done
Viaduct\LogicException: listen() after the end: make a new proxy
Viaduct\LogicException: run() once more: a proxy runs once
done
Viaduct\LogicException: run() once more: a proxy runs once
