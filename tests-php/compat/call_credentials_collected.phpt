--TEST--
Grpc\CallCredentials: circles that lead through a plugin are collected, whichever object has the credentials
--EXTENSIONS--
grpc
--FILE--
<?php
require __DIR__ . '/../support/compat.php';

use Grpc\{CallCredentials, Channel, ChannelCredentials};

/** What is in a circle with what it holds. */
class Node
{
    public array $holds = [];

    public function plugin(): array
    {
        return ['x-plugin' => ['called']];
    }
}
class OwnChannel extends Channel
{
    public ?Node $node = null;
}
class OwnCall extends Grpc\Call
{
    public ?Node $node = null;

    public function same(Channel $channel): bool
    {
        return $this->channel === $channel;
    }
}
$ssl = ChannelCredentials::createSsl();
$plugin = fn(Node $node) => CallCredentials::createFromPlugin(fn() => $node->plugin());
$method = fn(Node $node) => CallCredentials::createFromPlugin([$node, 'plugin']);
$circles = [
    'call credentials' => fn(Node $node) => $plugin($node),
    'a method' => fn(Node $node) => $method($node),
    'a composite' => fn(Node $node) => CallCredentials::createComposite($plugin($node), CallCredentials::createComposite($method($node), $plugin($node))),
    'channel credentials' => fn(Node $node) => ChannelCredentials::createComposite($ssl, $plugin($node)),
    'those of xds' => fn(Node $node) => ChannelCredentials::createXds(ChannelCredentials::createComposite($ssl, $plugin($node))),
    'a channel' => fn(Node $node) => new Channel('127.0.0.1:1', ['credentials' => ChannelCredentials::createComposite($ssl, $plugin($node))]),
    'a channel that was closed' => function (Node $node) use ($ssl, $plugin) {
        $channel = new Channel('127.0.0.1:1', ['credentials' => ChannelCredentials::createComposite($ssl, $plugin($node))]);
        $channel->close();
        return $channel;
    },
    'a channel with a property' => function (Node $node) use ($ssl, $plugin) {
        $channel = new OwnChannel('127.0.0.1:1', ['credentials' => ChannelCredentials::createComposite($ssl, $plugin($node))]);
        $channel->node = $node;
        return $channel;
    },
    'a channel with a property that was not declared' => function (Node $node) use ($ssl, $plugin) {
        $channel = @new Channel('127.0.0.1:1', ['credentials' => ChannelCredentials::createComposite($ssl, $plugin($node))]);
        @$channel->more = $node;
        return $channel;
    },
    'a call' => function (Node $node) use ($ssl, $plugin) {
        $call = call(new Channel('127.0.0.1:1', ['credentials' => $ssl]));
        $call->setCredentials($plugin($node));
        return $call;
    },
    'a call of a channel with credentials' => function (Node $node) use ($ssl, $plugin) {
        $call = call(new Channel('127.0.0.1:1', ['credentials' => ChannelCredentials::createComposite($ssl, $plugin($node))]));
        $call->setCredentials($plugin($node));
        $call->setCredentials($plugin($node));
        return $call;
    },
    'a call with a property, that was made' => function (Node $node) use ($ssl, $plugin) {
        $channel = new Channel('127.0.0.1:1', ['credentials' => ChannelCredentials::createComposite($ssl, $plugin($node))]);
        $call = new OwnCall($channel, '/a/B', soon(5));
        $call->node = $node;
        $call->startBatch(request('x') + RESPONSE);
        return $call->same($channel) ? $call : null;
    },
    'all at once' => fn(Node $node) => array_map(fn($make) => $make($node), array_slice($GLOBALS['circles'], 0, -2)),
    'nothing but the plugin' => fn(Node $node) => [fn() => $node],
];
foreach ($circles as $what => $make) {
    $node = new Node();
    $node->holds[] = $make($node);
    $weak = WeakReference::create($node);
    gc_collect_cycles();
    // While somebody has it, all of it is there.
    $whole = $node->plugin() === ['x-plugin' => ['called']] && $node->holds[0] !== null;
    unset($node);
    $before = $weak->get() !== null;
    gc_collect_cycles();
    echo $what, ': ', $whole && $before ? '' : 'THIS TEST SEES NOTHING ', $weak->get() === null ? 'collected' : 'STAYS', "\n";
}

echo "what is no circle stays, and works: ";
$make = function () use ($ssl): Channel {
    $node = new Node();
    return new Channel('127.0.0.1:1', ['credentials' => ChannelCredentials::createComposite($ssl, CallCredentials::createFromPlugin(function () use ($node) {
        throw new LogicException('it was asked: ' . $node->plugin()['x-plugin'][0]);
    }))]);
};
$channel = $make();
$call = call($channel);
gc_collect_cycles();
unset($channel);
gc_collect_cycles();
echo $call->startBatch(request('x') + RESPONSE)->status->details, "\n";
?>
--EXPECT--
call credentials: collected
a method: collected
a composite: collected
channel credentials: collected
those of xds: collected
a channel: collected
a channel that was closed: collected
a channel with a property: collected
a channel with a property that was not declared: collected
a call: collected
a call of a channel with credentials: collected
a call with a property, that was made: collected
all at once: collected
nothing but the plugin: collected
what is no circle stays, and works: Getting metadata from plugin failed with error: LogicException: it was asked: called
