// SPDX-License-Identifier: Apache-2.0
#include "engine/store/schema.h"

#include <gtest/gtest.h>

#include "engine/store/cbor.h"
#include "tests/unit/store/support.h"

namespace steppe {
namespace {

using test::equal;
using test::message_of;
using test::Random;

constexpr int rounds = 300;

TEST(Schema, RoundRecordsComeBack) {
  Random random(1);
  for (int i = 0; i < rounds; ++i) {
    const RoundRecord record = random.round();
    RoundRecord back =
        schema::decode_round(schema::round_key(record.round), schema::encode(record));
    EXPECT_TRUE(back.names.empty());
    EXPECT_TRUE(back.hosts.empty());
    EXPECT_TRUE(back.host_hellos.empty());
    const std::string names_key = schema::names_key(record.round);
    const std::string hosts_key = schema::hosts_key(record.round);
    back.names = schema::decode_names(names_key, schema::encode_names(record.names));
    schema::decode_hosts(hosts_key, schema::encode_hosts(record.hosts, record.host_hellos), back);
    EXPECT_TRUE(equal(back, record));
  }
}

TEST(Schema, HostRecordsComeBack) {
  Random random(2);
  for (int i = 0; i < rounds; ++i) {
    const HostRecord record = random.host();
    const std::string key = schema::host_key(record.address, record.port);
    EXPECT_TRUE(equal(schema::decode_host(key, schema::encode(record)), record));
    EXPECT_TRUE(equal(schema::decode_host_operand(key, schema::encode_operand(record)), record));
  }
}

TEST(Schema, PairRecordsComeBack) {
  Random random(3);
  for (int i = 0; i < rounds; ++i) {
    const PairRecord record = random.pair();
    const std::string key = schema::pair_key(record.key);
    EXPECT_TRUE(equal(schema::decode_pair(key, schema::encode(record)), record));
  }
}

TEST(Schema, PairOperandsComeBack) {
  Random random(4);
  const std::string key = schema::pair_key({1, 2, "example.org", "tls12"});
  for (int i = 0; i < rounds; ++i) {
    const TryRecord one = random.try_record();
    const auto one_back = schema::decode_pair_operand(key, schema::encode_operand(one));
    EXPECT_TRUE(equal(std::get<TryRecord>(one_back), one));
    const SettlementRecord settled = random.settlement();
    const auto settled_back = schema::decode_pair_operand(key, schema::encode_operand(settled));
    EXPECT_TRUE(equal(std::get<SettlementRecord>(settled_back), settled));
  }
}

TEST(Schema, InterceptorRecordsComeBack) {
  Random random(5);
  for (int i = 0; i < rounds; ++i) {
    const InterceptorRecord record = random.interceptor();
    const std::string key = schema::interceptor_key(record.spki);
    EXPECT_TRUE(equal(schema::decode_interceptor(key, schema::encode(record)), record));
  }
}

TEST(Schema, TraceRecordsComeBack) {
  Random random(10);
  for (int i = 0; i < rounds; ++i) {
    const TraceRecord record = random.trace();
    const std::string key = schema::trace_key(record.key);
    EXPECT_TRUE(equal(schema::decode_trace(key, schema::encode(record)), record));
  }
}

// Stage trace came after the numbers of the others were on disk.
TEST(Schema, StagesKeepTheirNumbersAndComeBack) {
  constexpr Stage in_time[] = {Stage::discover, Stage::baseline, Stage::probe,
                               Stage::confirm,  Stage::trace,    Stage::done};
  constexpr int on_disk[] = {0, 1, 2, 3, 5, 4};
  static_assert(std::size(in_time) == stage_count);
  const std::string key = schema::round_key(7);
  for (size_t i = 0; i < stage_count; ++i) {
    RoundRecord round;
    round.stage = in_time[i];
    const std::string value = schema::encode(round);
    EXPECT_EQ(schema::from_bytes(key, value)["st"], on_disk[i]);
    EXPECT_EQ(schema::decode_round(key, value).stage, in_time[i]);
    EXPECT_GT(stage_order(in_time[i]), i == 0 ? -1 : stage_order(in_time[i - 1]));
  }
}

TEST(Schema, KeysComeBack) {
  Random random(6);
  for (int i = 0; i < rounds; ++i) {
    const auto a = random.number<uint32_t>(), b = random.number<uint32_t>();
    const auto port = random.number<uint16_t>();
    const PairKey pair{a, port, random.server_name(), random.text()};
    EXPECT_EQ(schema::read_pair_key(schema::pair_key(pair)), pair);
    EXPECT_EQ(schema::read_pair_key(schema::trace_key(pair)), pair);
    EXPECT_THROW(schema::read_host_key(schema::trace_key({a, port, "", ""})), std::runtime_error);
    EXPECT_THROW(schema::read_pair_key(schema::host_key(a, port)), std::runtime_error);
    EXPECT_EQ(schema::read_host_key(schema::host_key(a, port)), std::pair(a, port));
    EXPECT_EQ(schema::read_numbers_key(schema::page_key(a, b)), std::pair(a, b));
    EXPECT_EQ(schema::read_numbers_key(schema::discovered_key(a, b)), std::pair(a, b));
    EXPECT_EQ(schema::read_round_key(schema::round_key(a)), a);
    const Digest digest = random.digest();
    EXPECT_EQ(schema::read_digest_key(schema::certificate_key(digest)), digest);
    EXPECT_EQ(schema::read_digest_key(schema::interceptor_key(digest)), digest);
  }
}

TEST(Schema, KeysSortAsWhatTheySay) {
  Random random(7);
  for (int i = 0; i < 3000; ++i) {
    // Names and hellos that begin alike, and bytes at both ends of their order.
    const auto word = [&] {
      std::string word(random.below(4), '\0');
      for (char& c : word) c = "\x01\x2e\x61\xff"[random.below(4)];
      return word;
    };
    const PairKey a{random.number<uint32_t>(), random.number<uint16_t>(), word(), word()};
    const PairKey b{random.coin() ? a.address : random.number<uint32_t>(),
                    random.coin() ? a.port : random.number<uint16_t>(), word(), word()};
    EXPECT_EQ(a < b, schema::pair_key(a) < schema::pair_key(b));
    EXPECT_EQ(a < b, schema::trace_key(a) < schema::trace_key(b));
    EXPECT_EQ(a.address < b.address,
              schema::page_key(9, a.address) < schema::page_key(9, b.address));
  }
}

TEST(Schema, KeysInWords) {
  EXPECT_EQ(schema::describe(schema::pair_key({0xc0000201, 443, "example.org", "tls12"})),
            "pair 192.0.2.1:443 example.org (tls12)");
  EXPECT_EQ(schema::describe(schema::pair_key({0xc0000201, 443, "a\nb", "tls12"})),
            "pair 192.0.2.1:443 a?b (tls12)");
  EXPECT_EQ(schema::describe(schema::pair_key({0xc0000201, 443, "a", std::string("b\0c", 3)})),
            "pair 192.0.2.1:443 a (b?c)");
  EXPECT_EQ(schema::describe(schema::host_key(0xc0000201, 443).replace(0, 1, "p") + "a"),
            "pair 192.0.2.1:443 a");
  EXPECT_EQ(schema::describe(schema::trace_key({0xc0000201, 443, "example.org", "tls12"})),
            "trace 192.0.2.1:443 example.org (tls12)");
  EXPECT_EQ(schema::describe(schema::trace_key({0xc0000201, 443, "", "tls12"})),
            "trace 192.0.2.1:443  (tls12)");
  EXPECT_EQ(schema::describe("t\x01"), "key 7401");
  EXPECT_EQ(schema::describe(schema::host_key(0xc0000201, 8443)), "host 192.0.2.1:8443");
  EXPECT_EQ(schema::describe(schema::page_key(2, 7)), "page 7 of round 2");
  EXPECT_EQ(schema::describe(schema::round_key(2)), "round 2");
  EXPECT_EQ(schema::describe(schema::discovered_key(2, 1)), "discovered 0.0.0.1 of round 2");
  EXPECT_EQ(schema::describe("p\x01"), "key 7001");
  EXPECT_EQ(schema::describe(""), "key ");
}

// The values on disk, byte for byte: whoever changes them must change the format version.
TEST(Schema, BytesOfTheFormat) {
  const auto bytes_in_hex = [](const std::string& bytes) {
    return hex({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  };
  EXPECT_EQ(schema::version_key(), "mformat version");
  EXPECT_EQ(bytes_in_hex(schema::encode_version(Store::format_version)), "00000003");
  EXPECT_EQ(bytes_in_hex(schema::pair_key({0xc0000201, 443, "a.b", "tls12"})),
            "70c000020101bb612e6200746c733132");
  const std::vector<uint32_t> addresses = {0xc0000201, 0xc0000202};
  const std::vector<uint8_t> hellos = {0, 1};
  EXPECT_EQ(bytes_in_hex(schema::encode_hosts(addresses, hellos)), "c000020100c000020201");
  EXPECT_EQ(bytes_in_hex(schema::page_key(1, 2)), "670000000100000002");
  const std::vector<PageRun> changes = {{5, 257, 0x81}, {16383, 1, 0x93}};
  EXPECT_EQ(bytes_in_hex(schema::encode_operand(16384, changes)), "3fff0005ff81010500813fff0093");
  EXPECT_EQ(bytes_in_hex(schema::encode(PairRecord{})),
            "a5"
            "62636880"    // ch: []
            "62637400"    // ct: 0
            "62743000"    // t0: 0
            "62743100"    // t1: 0
            "62747280");  // tr: []
  EXPECT_EQ(bytes_in_hex(schema::trace_key({0xc0000201, 443, "a.b", "tls12"})),
            "74c000020101bb612e6200746c733132");
  TraceRecord trace;
  trace.outcome = TraceOutcome::located;
  trace.rewritten = rewritten::ttl;
  trace.run_ttls = {5, 24};
  trace.flows = {{1, 2, 3, {0xc0000201}}};
  EXPECT_EQ(bytes_in_hex(schema::encode(trace)),
            "b7"
            "62616100"            // aa: 0
            "62616200"            // ab: 0
            "62616700"            // ag: 0
            "62636f00"            // co: 0
            "62666c81"            // fl: [
            "a4"                  //   {
            "62687403"            //     ht: 3
            "62697402"            //     it: 2
            "627061811ac0000201"  //     pa: [192.0.2.1]
            "62737001"            //     sp: 1 }]
            "62686100"            // ha: 0
            "62686200"            // hb: 0
            "62686c00"            // hl: 0
            "62687400"            // ht: 0
            "62697400"            // it: 0
            "626d6f00"            // mo: 0
            "626f6300"            // oc: 0
            "627063f4"            // pc: false
            "62706c00"            // pl: 0
            "62726800"            // rh: 0
            "62726e00"            // rn: 0
            "62727482051818"      // rt: [5, 24]
            "62727500"            // ru: 0
            "62727704"            // rw: 4
            "617400"              // t: 0
            "627463f4"            // tc: false
            "627465f4"            // te: false
            "62766160");          // va: ""
}

// Every value with a byte gone, changed, or added: a record or an error, never anything else.
template <typename Decode>
void break_in_every_way(const std::string& key, const std::string& value, Decode decode) {
  const auto try_it = [&](const std::string& bytes) {
    try {
      decode(key, bytes);
      return true;
    } catch (const std::runtime_error& error) {
      EXPECT_NE(std::string(error.what()).find(schema::describe(key)), std::string::npos)
          << error.what();
      return false;
    }
  };
  EXPECT_TRUE(try_it(value));
  for (size_t length = 0; length < value.size(); ++length)
    EXPECT_FALSE(try_it(value.substr(0, length))) << length;
  EXPECT_FALSE(try_it(value + '\0'));
  for (size_t at = 0; at < value.size(); ++at)
    for (const int flip : {0x01, 0x20, 0x80, 0xff}) {
      std::string bytes = value;
      bytes[at] = static_cast<char>(bytes[at] ^ flip);
      try_it(bytes);
    }
}

TEST(Schema, BrokenValuesAreErrorsThatNameTheKey) {
  Random random(8);
  RoundRecord round = random.round();
  round.counters = {{"sent", 5}};
  break_in_every_way(schema::round_key(round.round), schema::encode(round), schema::decode_round);
  break_in_every_way(schema::names_key(1), schema::encode_names({"a.example", "b.example"}),
                     schema::decode_names);
  const HostRecord host = random.host();
  break_in_every_way(schema::host_key(host.address, host.port), schema::encode(host),
                     schema::decode_host);
  break_in_every_way(schema::host_key(host.address, host.port), schema::encode_operand(host),
                     schema::decode_host_operand);
  PairRecord pair = random.pair();
  pair.key.server_name = "example.org";
  pair.tries = {random.try_record()};
  pair.tries[0].evidence = random.evidence();
  pair.settlement = random.settlement();
  break_in_every_way(schema::pair_key(pair.key), schema::encode(pair), schema::decode_pair);
  break_in_every_way(schema::pair_key(pair.key), schema::encode_operand(pair.tries[0]),
                     schema::decode_pair_operand);
  const InterceptorRecord interceptor = random.interceptor();
  break_in_every_way(schema::interceptor_key(interceptor.spki), schema::encode(interceptor),
                     schema::decode_interceptor);
  TraceRecord trace = random.trace();
  trace.key.server_name = "example.org";
  trace.flows.resize(2);
  trace.flows[0] = {40000, 5, 9, {0, 0xc0000201}};
  break_in_every_way(schema::trace_key(trace.key), schema::encode(trace), schema::decode_trace);
  break_in_every_way(schema::version_key(), schema::encode_version(1), schema::decode_version);
  break_in_every_way(schema::discovered_key(1, 2), "\x01", schema::decode_discovered);
  const std::string no_status(1, static_cast<char>(host_status_count));
  EXPECT_THROW(schema::decode_discovered(schema::discovered_key(1, 2), no_status),
               std::runtime_error);
}

TEST(Schema, KeysWithoutAHelloAreBroken) {
  for (const char kind : {'p', 't'}) {
    const std::string key = schema::host_key(0xc0000201, 443).replace(0, 1, 1, kind) + "a.b";
    EXPECT_EQ(message_of<std::runtime_error>([&] { schema::read_pair_key(key); }),
              "broken record: " + std::string(kind == 'p' ? "pair" : "trace") +
                  " 192.0.2.1:443 a.b: the key names no ClientHello");
  }
}

TEST(Schema, RowsOfARoundAreTotal) {
  const std::string key = schema::hosts_key(1);
  RoundRecord round;
  round.hellos = {"tls12", "tls13"};
  const std::string good("\1\2\3\4\1\5\6\7\x8\0", 10);
  schema::decode_hosts(key, good, round);
  EXPECT_EQ(round.hosts, (std::vector<uint32_t>{0x01020304, 0x05060708}));
  EXPECT_EQ(round.host_hellos, (std::vector<uint8_t>{1, 0}));
  const auto error_of = [&](const std::string& bytes) {
    return message_of<std::runtime_error>([&] { schema::decode_hosts(key, bytes, round); });
  };
  EXPECT_EQ(error_of(""), "");
  for (const size_t length : {1, 4, 6, 8, 9})
    EXPECT_EQ(error_of(good.substr(0, length)),
              "broken record: hosts of round 1: its length is no multiple of 5");
  for (const char hello : {'\2', '\xff'})
    EXPECT_EQ(error_of(good.substr(0, 9) + hello),
              "broken record: hosts of round 1: a host has a ClientHello that the round does not");
  round.hellos.clear();
  EXPECT_NE(error_of(good), "");
  EXPECT_EQ(error_of(""), "");
}

TEST(Schema, NoNameHoldsNul) {
  const std::string nul("a\0b", 3);
  EXPECT_EQ(message_of<std::runtime_error>([&] {
              schema::decode_names(schema::names_key(1),
                                   schema::to_bytes(std::vector<std::string>{"a", nul}));
            }),
            "broken record: names of round 1: a name holds NUL");
}

// Named so, as GoogleTest runs such suites before there are threads.
TEST(SchemaDeathTest, WhatIsRequiredIsChecked) {
  const std::string nul("a\0b", 3);
  EXPECT_DEATH(schema::encode_names({"a", nul}), "holds_nul");
  EXPECT_DEATH(schema::pair_key({1, 443, nul, "tls12"}), "server_name");
  EXPECT_DEATH(schema::trace_key({1, 443, nul, "tls12"}), "server_name");
  const std::vector<uint32_t> addresses = {1, 2};
  const std::vector<uint8_t> one_hello = {0};
  EXPECT_DEATH(schema::encode_hosts(addresses, one_hello), "hellos");
  HostRecord record;
  record.server_extensions.resize(limits::server_extensions + 1);
  EXPECT_DEATH(schema::encode(record), "server_extensions");
  EXPECT_DEATH(schema::encode_operand(record), "server_extensions");
}

TEST(Schema, WhatAHostsRecordMayHoldIsBounded) {
  const std::string key = schema::host_key(0xc0000201, 443);
  HostRecord record;
  record.server_extensions.resize(limits::server_extensions);
  schema::Json map = schema::from_bytes(key, schema::encode(record));
  const auto error_of = [&] {
    return message_of<std::runtime_error>([&] { schema::decode_host(key, schema::to_bytes(map)); });
  };
  EXPECT_EQ(error_of(), "");
  map["sx"][63] = 65536;
  EXPECT_EQ(error_of(),
            "broken record: host 192.0.2.1:443: field \"sx\" holds something that is no number, or "
            "out of range");
  map["sx"][63] = 65281;
  map["sx"].push_back(0);
  EXPECT_EQ(error_of(),
            "broken record: host 192.0.2.1:443: field \"sx\" is longer than this version allows");
}

TEST(Schema, SaysWhichFieldIsWrong) {
  const std::string key = schema::host_key(0xc0000201, 443);
  const auto error_of = [&](schema::Json map) {
    return message_of<std::runtime_error>([&] { schema::decode_host(key, schema::to_bytes(map)); });
  };
  const schema::Json good = schema::from_bytes(key, schema::encode(HostRecord{}));
  EXPECT_EQ(error_of(good), "");
  schema::Json map = good;
  map.erase("tv");
  EXPECT_EQ(error_of(map), "broken record: host 192.0.2.1:443: field \"tv\" is missing");
  map["tv"] = 65536;
  EXPECT_EQ(error_of(map),
            "broken record: host 192.0.2.1:443: field \"tv\" is no number, or out of range");
  map["tv"] = -1;
  EXPECT_NE(error_of(map), "");
  map = good;
  map["st"] = host_status_count;
  EXPECT_EQ(error_of(map),
            "broken record: host 192.0.2.1:443: field \"st\" is a value that this "
            "version does not know");
  map = good;
  map["new"] = 1;
  EXPECT_EQ(error_of(map),
            "broken record: host 192.0.2.1:443: it has fields that this version does not know");
}

TEST(Schema, WhatATraceMayHoldIsBounded) {
  const std::string key = schema::trace_key({0xc0000201, 443, "example.org", "tls12"});
  const auto error_of = [&](const schema::Json& map) {
    return message_of<std::runtime_error>(
        [&] { schema::decode_trace(key, schema::to_bytes(map)); });
  };
  const std::string where = "broken record: trace 192.0.2.1:443 example.org (tls12): field ";
  TraceRecord record;
  record.flows.resize(limits::traced_flows);
  record.flows[0].path.resize(limits::traced_hops);
  record.run_ttls.resize(limits::traced_runs);
  const schema::Json good = schema::from_bytes(key, schema::encode(record));
  EXPECT_EQ(error_of(good), "");

  const std::string too_long = " is longer than this version allows";
  schema::Json map = good;
  map["fl"].push_back(map["fl"][1]);
  EXPECT_EQ(error_of(map), where + "\"fl\"" + too_long);
  map = good;
  map["fl"][0]["pa"].push_back(0);
  EXPECT_EQ(error_of(map), where + "\"pa\"" + too_long);
  map = good;
  map["rt"].push_back(0);
  EXPECT_EQ(error_of(map), where + "\"rt\"" + too_long);

  const std::string no_number = " holds something that is no number, or out of range";
  for (const schema::Json& wrong : {schema::Json(256), schema::Json(-1), schema::Json("5")}) {
    map = good;
    map["rt"][254] = wrong;
    EXPECT_EQ(error_of(map), where + "\"rt\"" + no_number);
  }
  map = good;
  map["fl"][0]["pa"][63] = uint64_t{1} << 32;
  EXPECT_EQ(error_of(map), where + "\"pa\"" + no_number);
  map = good;
  map["fl"][63]["new"] = 1;
  EXPECT_NE(error_of(map), "");
  map = good;
  map["fl"][63] = schema::Json::array();
  EXPECT_NE(error_of(map), "");

  const std::pair<const char*, size_t> enums[] = {
      {"oc", trace_outcome_count}, {"mo", trace_mode_count}, {"pl", placement_count}, {"rw", 32}};
  for (const auto& [name, count] : enums) {
    map = good;
    map[name] = count - 1;
    EXPECT_EQ(error_of(map), "") << name;
    map[name] = count;
    EXPECT_EQ(error_of(map), where + "\"" + name + "\" is a value that this version does not know");
  }
}

// A reader that calls itself for each level would need more stack than there is.
TEST(Schema, DepthOfBrokenBytesIsBounded) {
  const std::string key = schema::pair_key({1, 443, "example.org", "tls12"});
  // Whole items otherwise: a list in a list in a list ... of a number; a map in a map ...
  const std::string deep = std::string(4 << 20, '\x81') + '\0';
  EXPECT_THROW(schema::decode_pair(key, deep), std::runtime_error);
  std::string maps;
  for (int i = 0; i < 1 << 20; ++i)
    maps +=
        "\xa1\x61"
        "a";
  maps += '\0';
  EXPECT_THROW(schema::decode_pair(key, maps), std::runtime_error);
  // Lengths that promise more than there is.
  EXPECT_THROW(schema::decode_pair(key, "\xbb\xff\xff\xff\xff\xff\xff\xff\xff"),
               std::runtime_error);
  EXPECT_THROW(schema::decode_pair(key, "\x5b\x7f\xff\xff\xff\xff\xff\xff\xff"),
               std::runtime_error);
}

TEST(Schema, RandomBytesNeverCrash) {
  Random random(9);
  const std::string key = schema::pair_key({1, 443, "example.org", "tls12"});
  const std::string trace_key = schema::trace_key({1, 443, "example.org", "tls12"});
  for (int i = 0; i < 20000; ++i) {
    const std::string bytes = random.text();
    EXPECT_THROW(schema::decode_trace(trace_key, bytes), std::runtime_error);
    EXPECT_THROW(schema::decode_pair(key, bytes), std::runtime_error);
    EXPECT_THROW(schema::decode_pair_operand(key, bytes), std::runtime_error);
    std::string page(16, '\0');
    schema::apply_page_operand(bytes, page);
    schema::describe(bytes);
  }
}

TEST(Schema, PageOperands) {
  const std::vector<PageRun> changes = {{0, 2, 0x81}, {3, 1, 0x93}};
  std::string page(4, '\0');
  EXPECT_TRUE(schema::apply_page_operand(schema::encode_operand(4, changes), page));
  EXPECT_EQ(page, std::string("\x81\x81\0\x93", 4));
  EXPECT_FALSE(schema::apply_page_operand(schema::encode_operand(5, changes), page));
  for (const PageRun behind : {PageRun{4, 1, 0x81}, PageRun{3, 2, 0x81}, PageRun{0, 5, 0x81}})
    EXPECT_FALSE(
        schema::apply_page_operand(schema::encode_operand(4, std::span(&behind, 1)), page));
  EXPECT_FALSE(schema::apply_page_operand("", page));
  EXPECT_FALSE(schema::apply_page_operand(std::string("\0\x04\0", 3), page));
  EXPECT_EQ(schema::page_operand_size(std::string("\x40\x00", 2)), 16385u);
  EXPECT_EQ(schema::page_operand_size(std::string("\0\0", 2)), 1u);
  EXPECT_EQ(schema::page_operand_size(std::string("\xff\xff", 2)), PairMatrix::page_bytes);
  EXPECT_FALSE(schema::page_operand_size(std::string("\0\0\0", 3)));
}

}  // namespace
}  // namespace steppe
