--TEST--
Proxy::reload(): all of a configuration takes effect, or nothing; what runs goes on
--EXTENSIONS--
grpc
posix
pcntl
--FILE--
<?php
require __DIR__ . '/../support/proxy.php';

use Viaduct\{Channel, Proxy};

function attempt(callable $do): void
{
    try {
        $do();
        echo "done\n";
    } catch (Throwable $e) {
        echo $e::class, ': ', preg_replace('~/\S*/viaduct-scratch-\d+~', '…', $e->getMessage()), "\n";
    }
}
$one = echoing('one');
$two = echoing('two');
$proxy = new Proxy("[[listen]]\naddress = \"http://127.0.0.1:0\"\n[[group]]\nname = \"none\"\nfile = \"none\"\n");
echo "--- before it listens\n";
attempt(fn() => $proxy->reload('workers = "many"'));
attempt(fn() => $proxy->reload(forwarding($one)));
[$address] = $proxy->listen();
$channel = new Channel($address);
$name = fn() => outcome(fn() => $channel->unary('/p.Echo/Name', '', timeout: 20));
$name();
$chat = $channel->bidi('/p.Echo/Chat', timeout: 60);
$chat->send('before');
echo $chat->receive(), "\n";

echo "--- nothing of what is wrong\n";
attempt(fn() => $proxy->reload(forwarding($two, "[[route]]\nmethod = \"Name\"\ngroup = \"eco\"\n")));
attempt(fn() => $proxy->reload(forwarding($two, "[[listen]]\naddress = \"unix:/nowhere/at/all.sock\"\n")));
attempt(fn() => $proxy->reload("\xff"));
attempt(fn() => $proxy->reload());
echo json_encode($proxy->addresses() === [$address]), "\n";
$name();

echo "--- all of what is right\n";
attempt(fn() => $proxy->reload(forwarding($two, "[[listen]]\naddress = \"http://localhost:0\"\n")));
echo json_encode([count($proxy->addresses()), $proxy->addresses()[0] === $address]), "\n";
$name();
$other = new Channel($proxy->addresses()[1]);
outcome(fn() => $other->unary('/p.Echo/Name', '', timeout: 20));
$chat->send('after');
echo $chat->receive(), "\n";
$chat->halfClose();
var_dump($chat->receive());
attempt(fn() => $proxy->reload(forwarding($one)));
var_dump(refused($other->target()));
$name();

echo "--- from a file, by a signal\n";
$file = scratch() . '/proxy.toml';
file_put_contents($file, forwarding($one));
$forwarding = ServerProcess::start(<<<'PHP'
$proxy = Proxy::fromFile($argv[1]);
announce(...$proxy->listen());
pcntl_signal(SIGHUP, function () use ($proxy, $argv): void {
    try {
        $proxy->reload(file_get_contents($argv[1]));
        say('reloaded');
    } catch (Viaduct\InvalidArgumentException $e) {
        say(strtr($e->getMessage(), ["\n" => ' | ', $argv[1] => 'the file']));
    }
});
// Signals are caught from the moment on that tasks run in run().
async(function (): void { delay(0.001); say('ready'); });
$proxy->run();
say('ended');
PHP, arguments: [$file]);
echo $forwarding->line(), "\n";
$channel = new Channel($forwarding->address);
$name();
foreach ([forwarding($one, 'grace = "10 apples"'), forwarding($two)] as $config) {
    file_put_contents($file, $config);
    $forwarding->send(SIGHUP);
    echo $forwarding->line(), "\n";
    $name();
}
echo $forwarding->stop(), ' ', $forwarding->rest(), $forwarding->errors(), $forwarding->log();

echo "--- after the end\n";
$proxy->stop(0);
attempt(fn() => $proxy->reload(forwarding($one)));
echo $one->stop(), $two->stop(), "\n", $one->errors(), $one->log(), $two->errors(), $two->log();
?>
--EXPECT--
--- before it listens
Viaduct\InvalidArgumentException: config:1: there is no [[group]]; expected at least one
config:1: there is no [[listen]]; expected at least one
config:1: "workers" in the file is "many"; expected a whole number from 1 to 256
done
OK one
before
--- nothing of what is wrong
Viaduct\InvalidArgumentException: config:10: there is no group "eco"; did you mean "echo"?
Viaduct\RuntimeException: cannot listen on "unix:/nowhere/at/all.sock": No such file or directory (os error 2)
Viaduct\InvalidArgumentException: config is not UTF-8 from byte 0 on
ArgumentCountError: Viaduct\Proxy::reload() expects exactly 1 argument, 0 given
true
OK one
--- all of what is right
done
[2,true]
OK two
OK two
after
NULL
done
bool(true)
OK one
--- from a file, by a signal
ready
OK one
the file:8: "grace" in [drain] is "10 apples"; expected a duration such as "10s", "250ms" or "1m", or a number of seconds
OK one
reloaded
OK one
0 ended
--- after the end
Viaduct\LogicException: the proxy has been told to end; expected a new configuration before
00
