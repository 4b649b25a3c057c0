"""Basic use of redis-py: redis_py.py PORT PROTOCOL. Prints "all is well" at the end."""

import sys

import redis


def strings(r):
    assert r.ping()
    assert r.set("k", "v") and r.get("k") == "v"
    assert r.get("missing") is None
    assert r.set("k", "w", nx=True) is None
    assert r.set("k", "w", xx=True, get=True) == "v"
    assert r.setex("t", 100, "v") and 98 < r.ttl("t") <= 100
    assert r.getex("t", persist=True) == "v" and r.ttl("t") == -1
    assert r.incr("n", 41) == 41 and r.incrbyfloat("f", 1.5) == 1.5
    assert r.append("k", "xyz") == 4 and r.getrange("k", 1, 2) == "xy" and r.strlen("k") == 4
    assert r.mset({"a": 1, "b": 2}) and r.mget("a", "b", "c") == ["1", "2", None]
    assert r.msetnx({"a": 1, "d": 2}) is False
    assert r.getdel("a") == "1" and r.exists("a") == 0


def keys(r):
    assert sorted(r.scan_iter(match="key:*")) == []
    r.mset({f"key:{i}": i for i in range(100)})
    assert len(set(r.scan_iter(match="key:*", count=7))) == 100
    assert r.type("k") == "string" and r.rename("k", "k2") and r.copy("k2", "k3")
    assert r.expire("k2", 100) is True and r.persist("k2") is True
    assert r.delete("k2", "k3", "missing") == 2
    assert r.dbsize() > 100


def transactions(r):
    with r.pipeline(transaction=True) as p:
        assert p.incr("n").get("n").set("x", "y").execute() == [42, "42", True]
    with r.pipeline(transaction=False) as p:
        for _ in range(1000):
            p.incr("n")
        assert p.execute()[-1] == 1042
    with r.pipeline() as p:
        p.watch("n")
        r.incr("n")
        p.multi()
        p.set("n", 0)
        try:
            p.execute()
            raise AssertionError("a watched key was changed in silence")
        except redis.WatchError:
            pass
    assert r.transaction(lambda p: p.multi() or p.incr("n"), "n") == [1044]
    try:
        r.incr("x")
        raise AssertionError("y is no number")
    except redis.ResponseError as error:
        assert "not an integer" in str(error)


def server(r, protocol):
    info = r.info()
    assert info["redis_version"].startswith("7.") and info["redis_mode"] == "standalone"
    assert r.info("keyspace")["db0"]["keys"] == r.dbsize()
    assert r.config_get("maxclients") == {"maxclients": "10000"}
    assert r.config_set("timeout", 0)
    assert r.client_setname("me") and r.client_getname() == "me"
    me = [c for c in r.client_list() if c["id"] == str(r.client_id())]
    assert me[0]["name"] == "me" and me[0].get("resp", str(protocol)) == str(protocol)
    assert r.command_count() > 50
    assert r.echo("hello") == "hello" and len(r.time()) == 2
    assert r.object("encoding", "n") == "int" and r.memory_usage("n") > 0
    assert r.slowlog_len() >= 0


def lists(r):
    assert r.rpush("list", "a", "b", "c") == 3 and r.lrange("list", 0, -1) == ["a", "b", "c"]
    assert r.lmove("list", "other", "LEFT", "RIGHT") == "a" and r.lpos("list", "c") == 1
    assert r.linsert("list", "before", "c", "x") == 3 and r.lrem("list", 0, "x") == 1
    assert r.lmpop(2, "missing", "list", direction="RIGHT", count=5) == ["list", ["c", "b"]]
    assert r.rpush("list", "3", "1", "2") == 3 and r.sort("list", desc=True) == ["3", "2", "1"]
    assert list(r.blpop(["queue", "list"], timeout=1)) == ["list", "3"]
    assert r.blpop("queue", timeout=0.01) is None


def hashes_and_sets(r):
    assert r.hset("hash", mapping={"one": 1, "two": 2}) == 2 and r.hgetall("hash") == {"one": "1", "two": "2"}
    assert r.hexpire("hash", 100, "one") == [1] and 98 < r.httl("hash", "one")[0] <= 100
    assert r.sadd("set", *range(2000)) == 2000 and len(set(r.sscan_iter("set"))) == 2000
    assert r.sadd("small", 1, 2, 5000) == 3 and r.sinter("set", "small") == {"1", "2"}
    assert r.sintercard(2, ["set", "small"]) == 2
    assert r.pfadd("hll", "a", "b") == 1 and r.pfcount("hll") == 2
    assert r.setbit("bits", 7, 1) == 0 and r.bitcount("bits") == 1


def sorted_sets(r):
    assert r.zadd("zset", {"one": 1, "two": 2, "more": 3.5}) == 3
    assert list(map(list, r.zrange("zset", 0, -1, withscores=True))) == [["one", 1], ["two", 2], ["more", 3.5]]
    assert r.zrank("zset", "two") == 1 and r.zincrby("zset", 10, "one") == 11
    assert r.zrange("zset", "(2", "+inf", byscore=True, offset=0, num=1) == ["more"]
    assert r.zunionstore("sum", {"zset": 2}) == 3 and r.zscore("sum", "one") == 22
    assert r.zmpop(1, ["zset"], max=True)[0] == "zset"
    assert list(r.bzpopmin("zset", timeout=1)) == ["zset", "two", 2]
    assert r.geoadd("geo", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")) == 2
    assert r.geosearch("geo", longitude=15, latitude=37, radius=100, unit="km") == ["Catania"]


def streams(r, protocol):
    ids = [r.xadd("stream", {"text": text}) for text in "abc"]
    assert r.xrange("stream", count=1) == [(ids[0], {"text": "a"})] and r.xlen("stream") == 3
    assert r.xgroup_create("stream", "group", id=0)
    read = r.xreadgroup("group", "me", {"stream": ">"}, count=2)
    entries = read["stream"][0] if protocol == 3 else read[0][1]
    assert [id for id, _ in entries] == ids[:2]
    assert r.xack("stream", "group", ids[0]) == 1
    pending = r.xpending("stream", "group")
    assert pending["pending"] == 1 and pending["consumers"] == [{"name": "me", "pending": 1}]
    assert r.xautoclaim("stream", "group", "other", 0)[1] == [(ids[1], {"text": "b"})]
    assert r.xinfo_groups("stream")[0]["entries-read"] == 2
    assert r.xread({"stream": "$"}, block=10) in ([], {})


def next_message(p):
    """The next message of a subscriber, which may take a while."""
    message = p.get_message(timeout=10)
    assert message is not None, "no message came"
    return message["type"], message["pattern"], message["channel"], message["data"]


def pubsub(r, protocol):
    assert r.publish("news", "nobody") == 0
    with r.pubsub() as p:
        p.subscribe("news", "weather")
        assert next_message(p) == ("subscribe", None, "news", 1)
        assert next_message(p) == ("subscribe", None, "weather", 2)
        p.psubscribe("n*")
        assert next_message(p) == ("psubscribe", None, "n*", 3)
        assert r.publish("news", "hello") == 2
        assert next_message(p) == ("message", None, "news", "hello")
        assert next_message(p) == ("pmessage", "n*", "news", "hello")
        assert sorted(r.pubsub_channels()) == ["news", "weather"] and r.pubsub_numpat() == 1
        assert r.pubsub_numsub("news", "other") == [("news", 1), ("other", 0)]
        if protocol == 2:
            p.ping()
            assert next_message(p)[0] == "pong"
        heard = []
        p.subscribe(heard=lambda message: heard.append(message["data"]))
        assert next_message(p) == ("subscribe", None, "heard", 4)
        r.publish("heard", "by a handler")
        assert p.get_message(timeout=10) is None and heard == ["by a handler"]
        p.unsubscribe()
        assert sorted(next_message(p)[2] for _ in range(3)) == ["heard", "news", "weather"]
        p.punsubscribe("n*")
        assert next_message(p) == ("punsubscribe", None, "n*", 0)
    with r.pubsub() as p:
        p.ssubscribe("shard")
        assert next_message(p) == ("ssubscribe", None, "shard", 1)
        assert r.execute_command("SPUBLISH", "shard", "s") == 1
        assert next_message(p) == ("smessage", None, "shard", "s")


def caching(r, port):
    """Client-side caching as it is used over RESP2: another connection gets the invalidations."""
    with r.pubsub() as p, redis.Redis(port=port, single_connection_client=True) as reader:
        p.execute_command("CLIENT", "ID")
        listener = p.parse_response()
        p.subscribe("__redis__:invalidate")
        assert next_message(p)[0] == "subscribe"
        assert reader.client_tracking_on(clientid=listener) and reader.client_getredir() == listener
        for value in (b"1", b"2"):
            r.set("cached", value)
            assert reader.get("cached") == value
            r.incr("cached")
            assert next_message(p) == ("message", None, "__redis__:invalidate", ["cached"])
        assert reader.client_tracking_off() and reader.client_trackinginfo()[1] == [b"off"]


def main():
    port, protocol = int(sys.argv[1]), int(sys.argv[2])
    with redis.Redis(port=port, protocol=protocol, decode_responses=True, single_connection_client=True) as r:
        strings(r)
        keys(r)
        transactions(r)
        lists(r)
        hashes_and_sets(r)
        sorted_sets(r)
        streams(r, protocol)
        server(r, protocol)
        assert r.flushall() and r.dbsize() == 0
    with redis.Redis(port=port, protocol=protocol, decode_responses=True) as r:
        pubsub(r, protocol)
        if protocol == 2:
            caching(r, port)
    pool = redis.Redis(port=port, protocol=protocol, db=3, max_connections=4)
    assert pool.set(b"\x00binary\r\n", b"\xff\x00") and pool.get(b"\x00binary\r\n") == b"\xff\x00"
    print("all is well")


main()
