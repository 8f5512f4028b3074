<?php
/** Calls made one after the other, and the same number started and awaited together, in turns. */

declare(strict_types=1);

require __DIR__ . '/common.php';

[$port, $size, $together, $rounds] = numbers('PORT SIZE TOGETHER ROUNDS');
$channel = channel($port);
$request = str_repeat('x', $size);

$one_by_one = function () use ($channel, $request, $together): void {
    for ($i = 0; $i < $together; $i++) {
        $channel->unary(UNARY, $request);
    }
};
$at_once = function () use ($channel, $request, $together): void {
    $calls = [];
    for ($i = 0; $i < $together; $i++) {
        $calls[] = $channel->start(UNARY, $request);
    }
    $replies = Viaduct\await(...$calls);
    expect($replies === array_fill(0, $together, $request), 'the answers are not the requests');
};

$one_by_one();
$at_once();
$sequential = $concurrent = 0;
for ($round = 0; $round < $rounds; $round++) {
    $start = hrtime(true);
    $one_by_one();
    $between = hrtime(true);
    $at_once();
    $sequential += $between - $start;
    $concurrent += hrtime(true) - $between;
}
$calls = $rounds * $together;
report(['sequential_per_s' => $calls / $sequential * 1e9, 'together_per_s' => $calls / $concurrent * 1e9]);
