//! The family's handlers, on a small server.

use crate::commands::testing::Fixture;
use boxcar_resp::{Protocol, Reply};

fn sicily() -> Fixture {
    let mut server = Fixture::new();
    server.check("GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", ":2");
    server.check("GEOADD g NX CH 12.758489 38.788135 edge1 17.241510 38.788135 edge2", ":2");
    server
}

#[test]
fn distances_have_four_decimals() {
    for (distance, text) in [
        (0.0, "0.0000"),
        (0.000_05, "0.0000"),
        (0.000_16, "0.0002"),
        (0.1, "0.1000"),
        (9.999_96, "10.0000"),
        (166_274.151_56, "166274.1516"),
        (65_616_797.9, "65616797.9000"),
    ] {
        let mut reply = Reply::new(Protocol::Resp2);
        super::write_distance(&mut reply, distance);
        assert_eq!(String::from_utf8_lossy(&reply.take()), format!("${}\r\n{text}\r\n", text.len()));
    }
}

#[test]
fn places_have_scores_and_coordinates() {
    let mut server = sicily();
    server.check("ZSCORE g Palermo", "$16|3479099956230698");
    server.check("GEOPOS g Palermo nobody", "*2|*2|$18|13.361389338970184|$16|38.1155563954963|*-1");
    server.check("GEOHASH g Palermo Catania nobody", "*3|$11|sqc8b49rny0|$11|sqdtr74hyu0|$-1");
    server.check("GEODIST g Palermo Catania", "$11|166274.1516");
    server.check("GEODIST g Palermo Catania km", "$8|166.2742");
    server.check("GEODIST g Palermo nobody", "$-1");
    server.check(
        "GEODIST g Palermo Catania league",
        "-ERR unsupported unit provided. please use M, KM, FT, MI",
    );
    server.check("GEOADD g XX CH 13 38 Palermo", ":1");
    server.check("GEOADD g 181 0 far", "-ERR invalid longitude,latitude pair 181.000000,0.000000");
    server.check("GEOADD g x 0 far", "-ERR value is not a valid float");
    server.check("GEOADD g NX XX 1 1 far", "-ERR syntax error");
    server.check("GEOPOS none a", "*1|*-1");
    server.session.protocol = Protocol::Resp3;
    server.check("GEOPOS g Catania", "*1|*2|,15.087267458438873|,37.50266842333162");
}

#[test]
fn searches_by_circle_and_box() {
    let mut server = sicily();
    server.check("GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC", "*2|$7|Catania|$7|Palermo");
    server.check("GEOSEARCH g FROMLONLAT 15 37 BYBOX 400 400 km DESC COUNT 2", "*2|$5|edge1|$5|edge2");
    server.check(
        "GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 m WITHDIST WITHHASH",
        "*1|*3|$7|Palermo|$6|0.0000|:3479099956230698",
    );
    server.check("GEORADIUS g 15 37 200 km WITHDIST ASC COUNT 1", "*1|*2|$7|Catania|$7|56.4413");
    server.check("GEORADIUSBYMEMBER_RO g Catania 60 km", "*1|$7|Catania");
    server.check("GEOSEARCH none FROMMEMBER a BYRADIUS 1 m", "*0");
    server.check("GEOSEARCH g FROMMEMBER a BYRADIUS 1 m", "-ERR could not decode requested zset member");
    server.check(
        "GEOSEARCH g BYRADIUS 1 m ASC WITHDIST DESC",
        "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH",
    );
    server.check(
        "GEOSEARCH g FROMMEMBER Palermo ASC WITHDIST DESC",
        "-ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH",
    );
    server.check(
        "GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 m ANY",
        "-ERR the ANY argument requires COUNT argument",
    );
    server.check("GEOSEARCH g FROMMEMBER Palermo BYRADIUS -1 m", "-ERR radius cannot be negative");
    server.check("GEOSEARCH g FROMMEMBER Palermo BYBOX 1 x m", "-ERR need numeric height");
    server.check("GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 m COUNT 0", "-ERR COUNT must be > 0");
}

#[test]
fn results_are_stored() {
    let mut server = sicily();
    server.check("GEOSEARCHSTORE to g FROMLONLAT 15 37 BYRADIUS 200 km", ":2");
    server.check("ZSCORE to Palermo", "$16|3479099956230698");
    server.check("GEORADIUS g 15 37 200 km STOREDIST to", ":2");
    server.check("ZRANGE to 0 0 WITHSCORES", "*2|$7|Catania|$16|56.4412578701582");
    server.check("GEORADIUS g 15 37 200 km STORE other STORE to", ":2");
    server.check("EXISTS other", ":0");
    server.check(
        "GEORADIUS g 15 37 200 km STORE to WITHDIST",
        "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
    );
    server.check("GEORADIUS_RO g 15 37 200 km STORE to", "-ERR syntax error");
    server.check("GEORADIUSBYMEMBER none x 1 m STORE to", ":0");
    server.check("EXISTS to", ":0");
}
