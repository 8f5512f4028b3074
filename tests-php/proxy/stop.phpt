--TEST--
Proxy::stop(): it waits for what runs, as long as it may; it leaves no thread and no socket
--EXTENSIONS--
grpc
posix
--FILE--
<?php
require __DIR__ . '/../support/proxy.php';

use Viaduct\{Channel, Proxy};
use function Viaduct\{async, delay};

/** The threads of proxies in this process. */
function threads(): int
{
    return count(preg_grep('/^viaduct-proxy/', array_map(fn($file) => (string) @file_get_contents($file), glob('/proc/self/task/*/comm'))));
}
function open(Proxy $proxy): Viaduct\BidiStream
{
    $chat = (new Channel($proxy->listen()[0]))->bidi('/p.Echo/Chat', timeout: 60);
    $chat->send('before');
    echo $chat->receive(), ' ', threads(), "\n";
    return $chat;
}
$server = echoing();

echo "--- what runs is finished\n";
$proxy = new Proxy("workers = 2\n" . forwarding($server));
echo threads(), "\n";
$chat = open($proxy);
[$address] = $proxy->addresses();
$order = [];
$task = async(function () use ($proxy, &$order) { $proxy->stop(60); $order[] = 'stopped'; });
$once = async(function () use ($proxy) { $proxy->stop(); });
var_dump(refused($address));
$chat->send('it runs on');
echo $chat->receive(), "\n";
$order[] = 'received';
$chat->halfClose();
var_dump($chat->receive());
$task->wait();
$once->wait();
echo json_encode($order), json_encode($proxy->addresses()), threads(), "\n";

echo "--- what does not end is cut\n";
foreach ([[forwarding($server, 'grace = "10m"'), 0], [forwarding($server, 'grace = "50ms"'), null]] as [$config, $timeout]) {
    $proxy = new Proxy($config);
    $chat = open($proxy);
    $proxy->stop($timeout);
    echo threads(), "\n";
    outcome(fn() => $chat->receive());
}
echo "--- so is what the object leaves\n";
$proxy = new Proxy(forwarding($server));
$chat = open($proxy);
$proxy = null;
echo threads(), "\n";
outcome(fn() => $chat->receive());

echo "--- many, one after the other\n";
$descriptors = fn() => count(scandir('/proc/self/fd'));
$before = $descriptors();
for ($n = 0; $n < 20; $n++) {
    $proxy = new Proxy(forwarding($server));
    $channel = new Channel($proxy->listen()[0]);
    $channel->unary('/p.Echo/Unary', '', timeout: 20);
    $channel->close();
    $n % 2 ? $proxy->stop() : $proxy = null;
}
$proxy = $channel = null;
delay(0);
var_dump(eventually(fn() => delay(0) ?? $descriptors() <= $before + 2), threads());
echo $server->stop(), "\n", $server->errors(), $server->log();
?>
--EXPECT--
--- what runs is finished
0
before 2
bool(true)
it runs on
NULL
["received","stopped"][]0
--- what does not end is cut
before 1
0
Viaduct\RpcException Unavailable: the peer closed the connection while receiving the answer
before 1
0
Viaduct\RpcException Unavailable: the peer closed the connection while receiving the answer
--- so is what the object leaves
before 1
0
Viaduct\RpcException Unavailable: the peer closed the connection while receiving the answer
--- many, one after the other
bool(true)
int(0)
0
