// SPDX-License-Identifier: Apache-2.0
// Values; keys are in schema_keys.cc.
#include "engine/store/schema.h"

#include <algorithm>
#include <cassert>

#include "engine/limits.h"
#include "engine/store/big_endian.h"
#include "engine/store/cbor.h"

namespace steppe::schema {
namespace {

enum Operation : uint8_t { put_host = 1, add_try = 2, settle_pair = 3 };

constexpr size_t interference_count = 3;
constexpr size_t host_row_bytes = 5;
constexpr size_t rewritten_count = 32;  // of all sums of the bits

Json to_json(const HostRecord& record) {
  assert(record.server_extensions.size() <= limits::server_extensions);
  return {{"st", record.status},
          {"re", record.reason},
          {"as", record.as_number},
          {"cm", record.control_mode},
          {"ow", record.own_name},
          {"rv", record.refusal},
          {"rd", record.refusal_detail},
          {"he", record.hello},
          {"bl", digests_json(record.baseline)},
          {"su", record.subject},
          {"is", record.issuer},
          {"tv", record.tls_version},
          {"cs", record.cipher_suite},
          {"sx", record.server_extensions},
          {"rn", record.round},
          {"t0", record.first_seen_ms},
          {"t1", record.last_seen_ms}};
}

HostRecord host_from(const Json& map, std::string_view key) {
  Fields fields(map, key);
  HostRecord record;
  std::tie(record.address, record.port) = read_host_key(key);
  record.status = fields.enumerator<HostStatus>("st", host_status_count);
  record.reason = fields.text("re");
  record.as_number = fields.number<uint32_t>("as");
  record.control_mode = fields.enumerator<ControlMode>("cm", control_mode_count);
  record.own_name = fields.text("ow");
  record.refusal = fields.enumerator<Verdict>("rv", verdict_count);
  record.refusal_detail = fields.number<uint8_t>("rd");
  record.hello = fields.text("he");
  record.baseline = fields.digests("bl");
  record.subject = fields.text("su");
  record.issuer = fields.text("is");
  record.tls_version = fields.number<uint16_t>("tv");
  record.cipher_suite = fields.number<uint16_t>("cs");
  record.server_extensions = fields.numbers<uint16_t>("sx", limits::server_extensions);
  record.round = fields.number<uint32_t>("rn");
  record.first_seen_ms = fields.number<int64_t>("t0");
  record.last_seen_ms = fields.number<int64_t>("t1");
  fields.end();
  return record;
}

Json to_json(const Evidence& evidence) {
  return {{"su", evidence.subject_equal},
          {"sa", evidence.san_equal},
          {"sc", evidence.san_contained},
          {"kr", evidence.key_replaced},
          {"ky", evidence.key},
          {"nb", evidence.not_before_shift_s},
          {"na", evidence.not_after_shift_s},
          {"sp", evidence.serial_equal_prefix_bits},
          {"sb", evidence.serial_bits},
          {"xr", evidence.extensions_removed},
          {"xa", evidence.extensions_added},
          {"ie", evidence.issuer_equal},
          {"nm", evidence.names_asked},
          {"tr", evidence.trusted},
          {"an", evidence.anchored}};
}

Evidence evidence_from(const Json& map, std::string_view key) {
  Fields fields(map, key);
  Evidence evidence;
  evidence.subject_equal = fields.boolean("su");
  evidence.san_equal = fields.boolean("sa");
  evidence.san_contained = fields.boolean("sc");
  evidence.key_replaced = fields.boolean("kr");
  evidence.key = fields.text("ky");
  evidence.not_before_shift_s = fields.number<int64_t>("nb");
  evidence.not_after_shift_s = fields.number<int64_t>("na");
  evidence.serial_equal_prefix_bits = fields.number<uint32_t>("sp");
  evidence.serial_bits = fields.number<uint32_t>("sb");
  evidence.extensions_removed = fields.texts("xr");
  evidence.extensions_added = fields.texts("xa");
  evidence.issuer_equal = fields.boolean("ie");
  evidence.names_asked = fields.boolean("nm");
  evidence.trusted = fields.boolean("tr");
  evidence.anchored = fields.boolean("an");
  fields.end();
  return evidence;
}

Json to_json(const TryRecord& record) {
  const Try& outcome = record.outcome;
  Json map = {{"rn", record.round},
              {"v", outcome.verdict},
              {"d", outcome.detail},
              {"cc", outcome.controls_before_and_after},
              {"sf", outcome.stateful},
              {"t", outcome.time_ms},
              {"ch", digests_json(record.chain)},
              {"is", record.issuer}};
  put_digest(map, "l", outcome.leaf);
  put_digest(map, "ik", outcome.issuer_spki);
  if (record.evidence) map["ev"] = to_json(*record.evidence);
  return map;
}

TryRecord try_from(const Json& map, std::string_view key) {
  Fields fields(map, key);
  TryRecord record;
  record.round = fields.number<uint32_t>("rn");
  record.outcome.verdict = fields.enumerator<Verdict>("v", verdict_count);
  record.outcome.detail = fields.number<uint8_t>("d");
  record.outcome.controls_before_and_after = fields.boolean("cc");
  record.outcome.stateful = fields.boolean("sf");
  record.outcome.time_ms = fields.number<int64_t>("t");
  record.outcome.leaf = fields.digest("l");
  record.outcome.issuer_spki = fields.optional_digest("ik");
  record.chain = fields.digests("ch");
  record.issuer = fields.text("is");
  if (const Json* evidence = fields.optional("ev")) record.evidence = evidence_from(*evidence, key);
  fields.end();
  return record;
}

Json to_json(const SettlementRecord& record) {
  const Settlement& settlement = record.settlement;
  Json map = {
      {"rn", record.round},        {"t", record.time_ms},          {"sd", settlement.settled},
      {"v", settlement.verdict},   {"i", settlement.interference}, {"at", settlement.attempts},
      {"ag", settlement.agreeing}, {"sf", settlement.stateful},    {"sb", record.stable},
      {"va", record.vantage},      {"as", record.as_number}};
  put_digest(map, "ic", record.interceptor);
  put_digest(map, "bl", record.baseline);
  return map;
}

SettlementRecord settlement_from(const Json& map, std::string_view key) {
  Fields fields(map, key);
  SettlementRecord record;
  record.round = fields.number<uint32_t>("rn");
  record.time_ms = fields.number<int64_t>("t");
  record.settlement.settled = fields.boolean("sd");
  record.settlement.verdict = fields.enumerator<Verdict>("v", verdict_count);
  record.settlement.interference = fields.enumerator<Interference>("i", interference_count);
  record.settlement.attempts = fields.number<uint8_t>("at");
  record.settlement.agreeing = fields.number<uint8_t>("ag");
  record.settlement.stateful = fields.boolean("sf");
  record.stable = fields.boolean("sb");
  record.interceptor = fields.optional_digest("ic");
  record.vantage = fields.text("va");
  record.as_number = fields.number<uint32_t>("as");
  record.baseline = fields.digest("bl");
  fields.end();
  return record;
}

Json to_json(const PairChange& change) {
  Json map = {{"rn", change.round},
              {"t", change.time_ms},
              {"v", change.verdict},
              {"i", change.interference}};
  put_digest(map, "l", change.leaf);
  put_digest(map, "ik", change.issuer_spki);
  return map;
}

PairChange change_from(const Json& map, std::string_view key) {
  Fields fields(map, key);
  PairChange change;
  change.round = fields.number<uint32_t>("rn");
  change.time_ms = fields.number<int64_t>("t");
  change.verdict = fields.enumerator<Verdict>("v", verdict_count);
  change.interference = fields.enumerator<Interference>("i", interference_count);
  change.leaf = fields.digest("l");
  change.issuer_spki = fields.optional_digest("ik");
  fields.end();
  return change;
}

Json to_json(const TracedFlow& flow) {
  assert(flow.path.size() <= limits::traced_hops);
  return {{"sp", flow.source_port},
          {"it", flow.injection_ttl},
          {"ht", flow.host_ttl},
          {"pa", flow.path}};
}

TracedFlow flow_from(const Json& map, std::string_view key) {
  Fields fields(map, key);
  TracedFlow flow;
  flow.source_port = fields.number<uint16_t>("sp");
  flow.injection_ttl = fields.number<uint8_t>("it");
  flow.host_ttl = fields.number<uint8_t>("ht");
  flow.path = fields.numbers<uint32_t>("pa", limits::traced_hops);
  fields.end();
  return flow;
}

std::string operand_bytes(Operation operation, Json value) {
  Json map;
  map["op"] = operation;
  map["v"] = std::move(value);
  return to_bytes(map);
}

// Keys end a name so.
bool holds_nul(const std::string& name) {
  return name.find('\0') != std::string::npos;
}

}  // namespace

std::string encode_version(uint32_t version) {
  std::string value;
  append_u32(value, version);
  return value;
}

uint32_t decode_version(std::string_view key, std::string_view value) {
  if (value.size() != 4) broken(key, "it is not 4 bytes long");
  return read_u32(value);
}

std::string encode(const RoundRecord& record) {
  return to_bytes({{"st", record.stage},
                   {"pa", record.pass},
                   {"po", record.position},
                   {"t0", record.started_ms},
                   {"t1", record.last_checkpoint_ms},
                   {"t2", record.ended_ms},
                   {"va", record.vantage},
                   {"he", record.hellos},
                   {"se", record.seed},
                   {"co", record.controls},
                   {"pd", record.plan_digest},
                   {"pt", record.port},
                   {"cn", record.counters}});
}

RoundRecord decode_round(std::string_view key, std::string_view value) {
  const Json map = from_bytes(key, value);
  Fields fields(map, key);
  RoundRecord record;
  record.round = read_round_key(key);
  record.stage = fields.enumerator<Stage>("st", stage_count);
  record.pass = fields.number<uint32_t>("pa");
  record.position = fields.number<uint64_t>("po");
  record.started_ms = fields.number<int64_t>("t0");
  record.last_checkpoint_ms = fields.number<int64_t>("t1");
  record.ended_ms = fields.number<int64_t>("t2");
  record.vantage = fields.text("va");
  record.hellos = fields.texts("he");
  record.seed = fields.number<uint64_t>("se");
  record.controls = fields.number<uint32_t>("co");
  record.plan_digest = fields.text("pd");
  record.port = fields.number<uint16_t>("pt");
  const Json& counters = fields.map("cn");
  Fields counter_fields(counters, key);
  for (const auto& [name, counter] : counters.items())
    record.counters[name] = counter_fields.number<uint64_t>(name);
  fields.end();
  return record;
}

std::string encode_names(const std::vector<std::string>& list) {
  assert(std::ranges::none_of(list, holds_nul));
  return to_bytes(list);
}

std::vector<std::string> decode_names(std::string_view key, std::string_view value) {
  Json list;
  list["names"] = from_bytes(key, value);
  std::vector<std::string> names = Fields(list, key).texts("names");
  if (std::ranges::any_of(names, holds_nul)) broken(key, "a name holds NUL");
  return names;
}

std::string encode_hosts(std::span<const uint32_t> addresses, std::span<const uint8_t> hellos) {
  assert(addresses.size() == hellos.size());
  std::string value;
  value.reserve(addresses.size() * host_row_bytes);
  for (size_t row = 0; row < addresses.size(); ++row) {
    append_u32(value, addresses[row]);
    value.push_back(static_cast<char>(hellos[row]));
  }
  return value;
}

void decode_hosts(std::string_view key, std::string_view value, RoundRecord& round) {
  if (value.size() % host_row_bytes != 0) broken(key, "its length is no multiple of 5");
  const size_t rows = value.size() / host_row_bytes;
  round.hosts.resize(rows);
  round.host_hellos.resize(rows);
  for (size_t row = 0; row < rows; ++row, value.remove_prefix(host_row_bytes)) {
    round.hosts[row] = read_u32(value);
    round.host_hellos[row] = static_cast<uint8_t>(value[4]);
    if (round.host_hellos[row] >= round.hellos.size())
      broken(key, "a host has a ClientHello that the round does not");
  }
}

HostStatus decode_discovered(std::string_view key, std::string_view value) {
  if (value.size() != 1 || static_cast<uint8_t>(value[0]) >= host_status_count)
    broken(key, "it is no host status");
  return static_cast<HostStatus>(value[0]);
}

std::string encode(const HostRecord& record) {
  return to_bytes(to_json(record));
}

HostRecord decode_host(std::string_view key, std::string_view value) {
  return host_from(from_bytes(key, value), key);
}

std::string encode(const PairRecord& record) {
  Json tries = Json::array(), changes = Json::array();
  for (const TryRecord& one : record.tries) tries.push_back(to_json(one));
  for (const PairChange& change : record.changes) changes.push_back(to_json(change));
  Json map = {{"t0", record.first_seen_ms},
              {"t1", record.last_seen_ms},
              {"ct", record.count},
              {"tr", std::move(tries)},
              {"ch", std::move(changes)}};
  if (record.settlement) map["se"] = to_json(*record.settlement);
  return to_bytes(map);
}

PairRecord decode_pair(std::string_view key, std::string_view value) {
  const Json map = from_bytes(key, value);
  Fields fields(map, key);
  PairRecord record;
  record.key = read_pair_key(key);
  record.first_seen_ms = fields.number<int64_t>("t0");
  record.last_seen_ms = fields.number<int64_t>("t1");
  record.count = fields.number<uint64_t>("ct");
  for (const Json& one : fields.array("tr")) record.tries.push_back(try_from(one, key));
  for (const Json& change : fields.array("ch")) record.changes.push_back(change_from(change, key));
  if (const Json* settlement = fields.optional("se"))
    record.settlement = settlement_from(*settlement, key);
  fields.end();
  return record;
}

std::string encode(const InterceptorRecord& record) {
  return to_bytes({{"is", record.issuer},
                   {"la", record.label},
                   {"hs", record.hosts},
                   {"an", record.autonomous_systems},
                   {"lv", record.leaves},
                   {"fl", record.forging_leaves},
                   {"pr", record.pairs},
                   {"sn", record.server_names},
                   {"t0", record.first_seen_ms},
                   {"t1", record.last_seen_ms},
                   {"ch", digests_json(record.chain)}});
}

InterceptorRecord decode_interceptor(std::string_view key, std::string_view value) {
  const Json map = from_bytes(key, value);
  Fields fields(map, key);
  InterceptorRecord record;
  record.spki = read_digest_key(key);
  record.issuer = fields.text("is");
  record.label = fields.text("la");
  record.hosts = fields.number<uint64_t>("hs");
  record.autonomous_systems = fields.number<uint64_t>("an");
  record.leaves = fields.number<uint64_t>("lv");
  record.forging_leaves = fields.number<uint64_t>("fl");
  record.pairs = fields.number<uint64_t>("pr");
  record.server_names = fields.texts("sn");
  record.first_seen_ms = fields.number<int64_t>("t0");
  record.last_seen_ms = fields.number<int64_t>("t1");
  record.chain = fields.digests("ch");
  fields.end();
  return record;
}

std::string encode(const TraceRecord& record) {
  assert(record.flows.size() <= limits::traced_flows);
  assert(record.run_ttls.size() <= limits::traced_runs);
  Json flows = Json::array();
  for (const TracedFlow& flow : record.flows) flows.push_back(to_json(flow));
  return to_bytes(
      {{"rn", record.round},       {"t", record.time_ms},        {"oc", record.outcome},
       {"mo", record.mode},        {"va", record.vantage},       {"it", record.injection_ttl},
       {"ht", record.host_ttl},    {"hb", record.hop_before},    {"ha", record.hop_after},
       {"ab", record.as_before},   {"aa", record.as_after},      {"ru", record.runs},
       {"ag", record.agreeing},    {"rt", record.run_ttls},      {"pl", record.placement},
       {"te", record.terminating}, {"tc", record.ttl_copied},    {"pc", record.path_changed},
       {"rw", record.rewritten},   {"rh", record.rewritten_ttl}, {"co", record.connections},
       {"hl", record.hellos},      {"fl", std::move(flows)}});
}

TraceRecord decode_trace(std::string_view key, std::string_view value) {
  const Json map = from_bytes(key, value);
  Fields fields(map, key);
  TraceRecord record;
  record.key = read_pair_key(key);
  record.round = fields.number<uint32_t>("rn");
  record.time_ms = fields.number<int64_t>("t");
  record.outcome = fields.enumerator<TraceOutcome>("oc", trace_outcome_count);
  record.mode = fields.enumerator<TraceMode>("mo", trace_mode_count);
  record.vantage = fields.text("va");
  record.injection_ttl = fields.number<uint8_t>("it");
  record.host_ttl = fields.number<uint8_t>("ht");
  record.hop_before = fields.number<uint32_t>("hb");
  record.hop_after = fields.number<uint32_t>("ha");
  record.as_before = fields.number<uint32_t>("ab");
  record.as_after = fields.number<uint32_t>("aa");
  record.runs = fields.number<uint8_t>("ru");
  record.agreeing = fields.number<uint8_t>("ag");
  record.run_ttls = fields.numbers<uint8_t>("rt", limits::traced_runs);
  record.placement = fields.enumerator<Placement>("pl", placement_count);
  record.terminating = fields.boolean("te");
  record.ttl_copied = fields.boolean("tc");
  record.path_changed = fields.boolean("pc");
  record.rewritten = fields.enumerator<uint8_t>("rw", rewritten_count);
  record.rewritten_ttl = fields.number<uint8_t>("rh");
  record.connections = fields.number<uint32_t>("co");
  record.hellos = fields.number<uint32_t>("hl");
  for (const Json& flow : fields.array("fl", limits::traced_flows))
    record.flows.push_back(flow_from(flow, key));
  fields.end();
  return record;
}

std::string encode_operand(const HostRecord& record) {
  return operand_bytes(put_host, to_json(record));
}

std::string encode_operand(const TryRecord& record) {
  return operand_bytes(add_try, to_json(record));
}

std::string encode_operand(const SettlementRecord& record) {
  return operand_bytes(settle_pair, to_json(record));
}

HostRecord decode_host_operand(std::string_view key, std::string_view operand) {
  const Json map = from_bytes(key, operand);
  Fields fields(map, key);
  if (fields.number<uint8_t>("op") != put_host) broken(key, "an operation that is not for hosts");
  return host_from(fields.map("v"), key);
}

std::variant<TryRecord, SettlementRecord> decode_pair_operand(std::string_view key,
                                                              std::string_view operand) {
  const Json map = from_bytes(key, operand);
  Fields fields(map, key);
  switch (fields.number<uint8_t>("op")) {
    case add_try:
      return try_from(fields.map("v"), key);
    case settle_pair:
      return settlement_from(fields.map("v"), key);
    default:
      broken(key, "an operation that is not for pairs");
  }
}

namespace {

constexpr size_t run_bytes = 4;  // offset, length less one, state
constexpr uint32_t longest_run = 256;

}  // namespace

std::string encode_operand(size_t page_size, std::span<const PageRun> changes) {
  std::string operand;
  operand.reserve(2 + run_bytes * changes.size());
  append_u16(operand, static_cast<uint16_t>(page_size - 1));
  for (const PageRun& run : changes)
    for (uint32_t done = 0; done < run.length; done += longest_run) {
      append_u16(operand, static_cast<uint16_t>(run.offset + done));
      operand.push_back(static_cast<char>(std::min(run.length - done, longest_run) - 1));
      operand.push_back(static_cast<char>(run.byte));
    }
  return operand;
}

std::optional<size_t> page_operand_size(std::string_view operand) {
  if (operand.size() % run_bytes != 2) return {};
  return read_u16(operand) + size_t{1};
}

bool apply_page_operand(std::string_view operand, std::string& page) {
  if (page_operand_size(operand) != page.size()) return false;
  for (size_t at = 2; at < operand.size(); at += run_bytes) {
    const size_t offset = read_u16(operand.substr(at));
    const size_t length = static_cast<uint8_t>(operand[at + 2]) + size_t{1};
    if (offset + length > page.size()) return false;
    page.replace(offset, length, length, operand[at + 3]);
  }
  return true;
}

std::string encode_wreck(std::optional<std::string_view> value,
                         std::span<const std::string_view> operands) {
  Json parts = Json::array();
  const auto keep = [&](std::string_view bytes) {
    parts.push_back(Json::binary(std::vector<uint8_t>(bytes.begin(), bytes.end())));
  };
  if (value) keep(*value);
  for (const std::string_view operand : operands) keep(operand);
  Json map;
  map["wreck"] = std::move(parts);
  return to_bytes(map);
}

}  // namespace steppe::schema
