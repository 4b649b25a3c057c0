// Data types, groups of a stream, pub/sub and client tracking with ioredis: ioredis.mjs PORT. The folder with the
// package is in IOREDIS. Prints "all is well" at the end.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { setTimeout } from "node:timers/promises";

const { Redis } = createRequire(`${process.env.IOREDIS}/`)("ioredis");
const port = Number(process.argv[2]);

const connect = (options = {}) => new Redis({ port, maxRetriesPerRequest: 0, ...options });

// Until a client of this server waits for data.
async function someoneWaits(r) {
    while (!/blocked_clients:1\r/.test(await r.info("clients"))) await setTimeout(1);
}

async function strings(r) {
    assert.equal(await r.set("k", "v", "EX", 100), "OK");
    assert.deepEqual(await r.mget("k", "missing"), ["v", null]);
    assert.equal(await r.incrby("n", 41), 41);
    const binary = Buffer.from([0, 13, 10, 255]);
    await r.set("binary", binary);
    assert.deepEqual(await r.getBuffer("binary"), binary);
    await assert.rejects(r.incr("k"), /not an integer/);
}

async function pipelines(r) {
    const replies = await r.pipeline().set("a", 1).incr("a").lpush("a", "x").get("a").exec();
    assert.deepEqual(replies.map(([error, reply]) => error?.message ?? reply), [
        "OK",
        2,
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "2",
    ]);
    assert.deepEqual(await r.multi().incr("a").incr("a").exec(), [[null, 3], [null, 4]]);
    const other = connect();
    await r.watch("a");
    await other.incr("a");
    assert.equal(await r.multi().incr("a").exec(), null);
    other.disconnect();
    const many = connect({ enableAutoPipelining: true });
    const counts = await Promise.all(Array.from({ length: 1000 }, () => many.incr("many")));
    assert.deepEqual(counts, Array.from({ length: 1000 }, (_, i) => i + 1));
    many.disconnect();
}

async function lists(r) {
    assert.equal(await r.rpush("list", "a", "b", "c"), 3);
    assert.deepEqual(await r.lrange("list", 0, -1), ["a", "b", "c"]);
    assert.equal(await r.lmove("list", "other", "LEFT", "RIGHT"), "a");
    assert.equal(await r.lpos("list", "c"), 1);
    assert.deepEqual(await r.lmpop(2, "missing", "list", "RIGHT", "COUNT", 5), ["list", ["c", "b"]]);
    const waiting = connect();
    const popped = waiting.blpop("queue", 10);
    await someoneWaits(r);
    await r.lpush("queue", "job");
    assert.deepEqual(await popped, ["queue", "job"]);
    assert.equal(await waiting.blpop("queue", 0.01), null);
    waiting.disconnect();
}

async function hashesAndSets(r) {
    await r.hset("hash", { one: 1, two: 2 });
    assert.deepEqual(await r.hgetall("hash"), { one: "1", two: "2" });
    assert.equal(await r.hincrby("hash", "two", 40), 42);
    const found = [];
    await r.sadd("set", ...Array.from({ length: 2000 }, (_, i) => `m${i}`));
    for await (const members of r.sscanStream("set")) found.push(...members);
    assert.equal(new Set(found).size, 2000);
    assert.deepEqual(await r.smismember("set", "m1", "other"), [1, 0]);
    assert.equal(await r.pfadd("hll", "a", "b", "a"), 1);
    assert.equal(await r.pfcount("hll"), 2);
}

async function sortedSets(r) {
    assert.equal(await r.zadd("zset", 1, "one", 2, "two", 3.5, "more"), 3);
    assert.deepEqual(await r.zrange("zset", 0, -1, "WITHSCORES"), ["one", "1", "two", "2", "more", "3.5"]);
    assert.equal(await r.zrank("zset", "two"), 1);
    assert.deepEqual(await r.zrangebyscore("zset", "(1", "+inf", "LIMIT", 0, 1), ["two"]);
    assert.equal(await r.zunionstore("sum", 2, "zset", "zset", "WEIGHTS", 1, 2), 3);
    assert.equal(await r.zscore("sum", "more"), "10.5");
    assert.deepEqual(await r.bzpopmin("zset", 1), ["zset", "one", "1"]);
    await r.geoadd("geo", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania");
    assert.deepEqual(await r.geosearch("geo", "FROMLONLAT", 15, 37, "BYRADIUS", 100, "km"), ["Catania"]);
}

async function streams(r) {
    const ids = [];
    for (const text of ["a", "b", "c"]) ids.push(await r.xadd("stream", "*", "text", text));
    assert.deepEqual(await r.xrange("stream", "-", "+", "COUNT", 1), [[ids[0], ["text", "a"]]]);
    await r.xgroup("CREATE", "stream", "group", 0);
    const read = await r.xreadgroup("GROUP", "group", "me", "COUNT", 2, "STREAMS", "stream", ">");
    assert.deepEqual(read, [["stream", [[ids[0], ["text", "a"]], [ids[1], ["text", "b"]]]]]);
    assert.equal(await r.xack("stream", "group", ids[0]), 1);
    assert.deepEqual(await r.xpending("stream", "group"), [1, ids[1], ids[1], [["me", "1"]]]);
    const [next, claimed] = await r.xautoclaim("stream", "group", "other", 0, "0");
    assert.deepEqual([next, claimed], ["0-0", [[ids[1], ["text", "b"]]]]);
    const waiting = connect();
    const entry = waiting.xread("BLOCK", 10000, "STREAMS", "stream", "$");
    await someoneWaits(r);
    const id = await r.xadd("stream", "*", "text", "d");
    assert.deepEqual(await entry, [["stream", [[id, ["text", "d"]]]]]);
    waiting.disconnect();
}

async function pubsub(r) {
    const subscriber = connect();
    assert.equal(await subscriber.subscribe("news", "weather"), 2);
    assert.equal(await subscriber.psubscribe("n*"), 3);
    const heard = Promise.all([once(subscriber, "message"), once(subscriber, "pmessage")]);
    assert.equal(await r.publish("news", "hello"), 2);
    assert.deepEqual(await heard, [["news", "hello"], ["n*", "news", "hello"]]);
    assert.equal(await subscriber.unsubscribe("news", "weather"), 1);
    assert.equal(await subscriber.punsubscribe("n*"), 0);
    assert.equal(await r.publish("news", "nobody"), 0);
    assert.equal(await subscriber.ping(), "PONG");
    subscriber.disconnect();
}

// ioredis speaks RESP2: another connection gets the invalidations.
async function tracking(r) {
    const [listener, reader] = [connect(), connect()];
    const id = await listener.client("ID");
    await listener.subscribe("__redis__:invalidate");
    await reader.client("TRACKING", "ON", "REDIRECT", id);
    await r.set("cached", "1");
    assert.equal(await reader.get("cached"), "1");
    const invalidated = once(listener, "messageBuffer");
    await r.incr("cached");
    assert.equal(String((await invalidated)[0]), "__redis__:invalidate");
    listener.disconnect();
    reader.disconnect();
}

const r = connect();
for (const part of [strings, pipelines, lists, hashesAndSets, sortedSets, streams, pubsub, tracking]) {
    await part(r);
    await r.flushall();
}
await r.quit();
console.log("all is well");
