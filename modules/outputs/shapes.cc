// SPDX-License-Identifier: Apache-2.0
#include "modules/outputs/shapes.h"

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "engine/judge/observation.h"
#include "engine/plan/operator_error.h"
#include "engine/plan/prefix_set.h"
#include "modules/fingerprints/fingerprints.h"

namespace steppe {

namespace {

// Null for what stands for "not known" in a record.
Row text_or_null(std::string_view text) {
  return text.empty() ? Row(nullptr) : Row(text);
}
Row number_or_null(uint64_t number) {
  return number == 0 ? Row(nullptr) : Row(number);
}
Row time_or_null(int64_t unix_ms) {
  return unix_ms == 0 ? Row(nullptr) : Row(format_time(unix_ms));
}
Row digest_or_null(const std::optional<Digest>& digest) {
  return digest && *digest != Digest{} ? Row(hex(*digest)) : Row(nullptr);
}

Row list_of(std::span<const std::string> words) {
  Row list = Row::array();
  for (const std::string& word : words) list.push_back(word);
  return list;
}

Row list_of(std::span<const Digest> digests) {
  Row list = Row::array();
  for (const Digest& digest : digests) list.push_back(hex(digest));
  return list;
}

std::string_view to_string(ControlMode mode) {
  switch (mode) {
    case ControlMode::control_names:
      return "control_names";
    case ControlMode::no_name:
      return "no_name";
    case ControlMode::own_name:
      return "own_name";
  }
  return "unknown";
}

Row tls_version(uint16_t version) {
  switch (version) {
    case 0:
      return nullptr;
    case TLS1_VERSION:
      return "TLSv1.0";
    case TLS1_1_VERSION:
      return "TLSv1.1";
    case TLS1_2_VERSION:
      return "TLSv1.2";
    case TLS1_3_VERSION:
      return "TLSv1.3";
    default:
      return fmt::format("0x{:04X}", version);
  }
}

// A pair that is not settled has no answer yet, whatever its byte says.
Interference answer(PairState state) {
  return state.settled ? state.interference : Interference::inconclusive;
}

struct Deleter {
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(BIGNUM* number) const { BN_free(number); }
};

std::string base64(std::span<const uint8_t> bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends with a NUL
  const int length = EVP_EncodeBlock(reinterpret_cast<uint8_t*>(text.data()), bytes.data(),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(length));
  return text;
}

// The serial in hex as the certificate has it, two digits a byte; a negative one with a minus sign.
Row serial_of(const X509* certificate) {
  const std::unique_ptr<BIGNUM, Deleter> number(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  if (!number) return nullptr;
  char* digits = BN_bn2hex(number.get());
  if (digits == nullptr) return nullptr;
  std::string text(digits);
  OPENSSL_free(digits);
  for (char& c : text)
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

Row spki_sha256_of(const X509* certificate) {
  uint8_t* der = nullptr;
  const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (length <= 0) return nullptr;
  const Digest digest = sha256({der, static_cast<size_t>(length)});
  OPENSSL_free(der);
  return hex(digest);
}

std::string hop_text(uint32_t address) {
  return address == 0 ? "*" : format_address(address);
}

// One end of the link where a hello is answered in the host's place; null for the scanner itself.
Row link_end(const TraceRecord& trace, int ttl, uint32_t address) {
  if (trace.outcome != TraceOutcome::located || ttl <= 0) return nullptr;
  if (address == 0 && ttl == trace.host_ttl) return format_address(trace.key.address);
  return hop_text(address);
}

// The hop at TTL 1 first, and the host last where its TTL is known: hops that nothing was heard of
// in between are as silent as those that the record has.
Row path_of(std::span<const uint32_t> hops, uint8_t host_ttl, uint32_t host) {
  Row path = Row::array();
  for (const uint32_t address : hops) path.push_back(hop_text(address));
  if (host_ttl == 0) return path;
  while (path.size() + 1 < host_ttl) path.push_back("*");
  path.push_back(format_address(host));
  return path;
}

Row rewritten_words(uint8_t bits) {
  if (bits == 0) return nullptr;
  Row words = Row::array();
  if (bits & rewritten::type_of_service) words.push_back("tos");
  if (bits & rewritten::identification) words.push_back("id");
  if (bits & rewritten::ttl) words.push_back("ttl");
  if (bits & rewritten::sequence) words.push_back("sequence");
  if (bits & rewritten::ports) words.push_back("ports");
  return words;
}

// Whether two flows may have taken the same way: a router that kept silent on one of them is no
// difference.
bool is_same_way(const TracedFlow& a, const TracedFlow& b) {
  return a.host_ttl == b.host_ttl && std::ranges::equal(a.path, b.path, [](uint32_t x, uint32_t y) {
           return x == 0 || y == 0 || x == y;
         });
}

// Different paths, among those that reach the host.
size_t count_ways(std::span<const TracedFlow> flows) {
  std::vector<const TracedFlow*> ways;
  for (const TracedFlow& flow : flows)
    if (flow.host_ttl != 0 &&
        std::ranges::none_of(ways, [&](const TracedFlow* way) { return is_same_way(*way, flow); }))
      ways.push_back(&flow);
  return ways.size();
}

Row flows_of(const TraceRecord& trace) {
  if (trace.flows.size() <= 1) return nullptr;
  Row flows = Row::array();
  for (const TracedFlow& flow : trace.flows)
    flows.push_back({
        {"source_port", flow.source_port},
        {"injection_ttl", number_or_null(flow.injection_ttl)},
        {"host_ttl", number_or_null(flow.host_ttl)},
        {"path", path_of(flow.path, flow.host_ttl, trace.key.address)},
    });
  return flows;
}

}  // namespace

std::string format_time(int64_t unix_ms) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(unix_ms)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

std::string describe_detail(Verdict verdict, uint8_t number) {
  switch (verdict) {
    case Verdict::alert:
      return fmt::format("TLS alert {} ({})", number, SSL_alert_desc_string_long(number));
    case Verdict::unreachable:
      return fmt::format("ICMP destination unreachable, code {}", number);
    case Verdict::timeout:
      switch (number) {
        case detail::syn_unanswered:
          return "no answer to the SYN";
        case detail::hello_unanswered:
          return "no answer to the ClientHello";
        case detail::flight_broke_off:
          return "silence in the middle of the flight";
        case detail::window_shut:
          return "behind a zero window";
        case detail::sweep_unanswered:
          return "no answer at any TTL";
        default:
          return {};
      }
    case Verdict::closed:
      switch (number) {
        case detail::closed_before_answer:
          return "FIN before any answer";
        case detail::closed_in_answer:
          return "FIN in the middle of the answer";
        case detail::anonymous:
          return "no certificate: an anonymous suite";
        case detail::retry_unanswerable:
          return "a HelloRetryRequest that cannot be answered";
        default:
          return {};
      }
    default:
      return {};
  }
}

Row evidence_to_json(const Evidence& evidence) {
  return {
      {"subject_equal", evidence.subject_equal},
      {"san_equal", evidence.san_equal},
      {"san_contained", evidence.san_contained},
      {"key_replaced", evidence.key_replaced},
      {"key", text_or_null(evidence.key)},
      {"not_before_shift_s", evidence.not_before_shift_s},
      {"not_after_shift_s", evidence.not_after_shift_s},
      {"serial_equal_prefix_bits", evidence.serial_equal_prefix_bits},
      {"serial_bits", evidence.serial_bits},
      {"extensions_removed", list_of(evidence.extensions_removed)},
      {"extensions_added", list_of(evidence.extensions_added)},
      {"issuer_equal", evidence.issuer_equal},
      {"names_asked", evidence.names_asked},
      {"trusted", evidence.trusted},
      {"anchored", evidence.anchored},
  };
}

Row pair_to_json(const PairView& pair) {
  Row changes = Row::array();
  for (const PairChange& change : pair.changes)
    changes.push_back({
        {"round", change.round},
        {"time", time_or_null(change.time_ms)},
        {"verdict", to_string(change.verdict)},
        {"interference", to_string(change.interference)},
        {"leaf_sha256", digest_or_null(change.leaf)},
    });
  return {
      {"host", format_address(pair.key.address)},
      {"port", pair.key.port},
      {"sni", pair.key.server_name},
      {"control", pair.control},
      {"verdict", to_string(pair.state.verdict)},
      {"interference", to_string(answer(pair.state))},
      {"stable", pair.stable},
      {"attempts", pair.attempts},
      {"agreeing", pair.agreeing},
      {"first_seen", time_or_null(pair.first_seen_ms)},
      {"last_seen", time_or_null(pair.last_seen_ms)},
      {"leaf_sha256", digest_or_null(pair.leaf)},
      {"baseline_sha256", digest_or_null(pair.baseline)},
      {"issuer", text_or_null(pair.issuer)},
      {"interceptor", digest_or_null(pair.interceptor)},
      {"evidence", pair.evidence ? evidence_to_json(*pair.evidence) : Row(nullptr)},
      {"asn", number_or_null(pair.as_number)},
      {"vantage", text_or_null(pair.vantage)},
      {"round", number_or_null(pair.round)},
      {"hello", text_or_null(pair.key.hello)},
      {"ttl", number_or_null(pair.injection_ttl)},
      {"stateful", pair.stateful},
      {"detail", number_or_null(pair.detail)},
      {"changes", std::move(changes)},
  };
}

Row host_to_json(const HostRecord& host) {
  // Of TLS 1.3 a ServerHello says that it was 1.2 (RFC 8446 4.1.3).
  const Fingerprint server = ja3s(std::min<uint16_t>(host.tls_version, TLS1_2_VERSION),
                                  host.cipher_suite, host.server_extensions);
  const bool answered = host.tls_version != 0;
  return {
      {"host", format_address(host.address)},
      {"port", host.port},
      {"status", to_string(host.status)},
      {"reason", text_or_null(host.reason)},
      {"asn", number_or_null(host.as_number)},
      {"control_mode", to_string(host.control_mode)},
      {"own_name", text_or_null(host.own_name)},
      {"refusal", host.refusal == Verdict::none ? Row(nullptr) : Row(to_string(host.refusal))},
      {"refusal_detail", number_or_null(host.refusal_detail)},
      {"leaf_sha256", host.baseline.empty() ? Row(nullptr) : Row(hex(host.baseline.front()))},
      {"chain_sha256", list_of(host.baseline)},
      {"subject", text_or_null(host.subject)},
      {"issuer", text_or_null(host.issuer)},
      {"hello", text_or_null(host.hello)},
      {"tls_version", tls_version(host.tls_version)},
      {"cipher_suite",
       host.cipher_suite == 0 ? Row(nullptr) : Row(fmt::format("0x{:04X}", host.cipher_suite))},
      {"ja3s", answered ? Row(server.text) : Row(nullptr)},
      {"ja3s_digest", answered ? Row(server.digest) : Row(nullptr)},
      {"round", number_or_null(host.round)},
      {"first_seen", time_or_null(host.first_seen_ms)},
      {"last_seen", time_or_null(host.last_seen_ms)},
  };
}

Row certificate_to_json(const Digest& digest, std::span<const uint8_t> der) {
  const std::span<const uint8_t> chain[] = {der};
  const ChainFacts facts = read_chain(chain);
  // Compared with itself for the one fact that stands in the evidence alone: the key, in the words
  // used there.
  const std::optional<Evidence> itself = compare_chains(chain, chain, {}, {});
  const uint8_t* bytes = der.data();
  const std::unique_ptr<X509, Deleter> parsed(
      d2i_X509(nullptr, &bytes, static_cast<long>(der.size())));
  const bool readable = parsed && facts.parsed;
  return {
      {"sha256", hex(digest)},
      {"subject", readable ? Row(facts.subject) : Row(nullptr)},
      {"issuer", readable ? Row(facts.issuer) : Row(nullptr)},
      {"serial", readable ? serial_of(parsed.get()) : Row(nullptr)},
      {"not_before", text_or_null(facts.not_before)},
      {"not_after", text_or_null(facts.not_after)},
      {"names", list_of(facts.dns_names)},
      {"key", itself ? text_or_null(itself->key) : Row(nullptr)},
      {"spki_sha256", readable ? spki_sha256_of(parsed.get()) : Row(nullptr)},
      {"ca", readable ? Row(X509_check_ca(parsed.get()) != 0) : Row(nullptr)},
      {"self_signed", readable ? Row(facts.self_signed) : Row(nullptr)},
      {"raw", base64(der)},
  };
}

Row interceptor_to_json(const InterceptorRecord& interceptor) {
  return {
      {"spki_sha256", hex(interceptor.spki)},
      {"issuer", text_or_null(interceptor.issuer)},
      {"label", text_or_null(interceptor.label)},
      {"hosts", interceptor.hosts},
      {"autonomous_systems", interceptor.autonomous_systems},
      {"pairs", interceptor.pairs},
      {"leaves", interceptor.leaves},
      {"forging_leaves", interceptor.forging_leaves},
      {"names", list_of(interceptor.server_names)},
      {"first_seen", time_or_null(interceptor.first_seen_ms)},
      {"last_seen", time_or_null(interceptor.last_seen_ms)},
      {"chain_sha256", list_of(interceptor.chain)},
  };
}

Row trace_to_json(const TraceRecord& trace) {
  // Nobody is beyond the host: an injection there is of a box that copies the hello's TTL.
  const bool before_host = trace.injection_ttl != 0 && trace.injection_ttl <= trace.host_ttl;
  const TracedFlow flow = trace.flows.empty() ? TracedFlow() : trace.flows.front();
  const double confidence_percent =
      trace.runs == 0 ? 0 : std::round(100.0 * trace.agreeing / trace.runs);
  return {
      {"host", format_address(trace.key.address)},
      {"port", trace.key.port},
      {"sni", trace.key.server_name},
      {"hello", text_or_null(trace.key.hello)},
      {"outcome", to_string(trace.outcome)},
      {"injection_ttl", number_or_null(trace.injection_ttl)},
      {"host_ttl", number_or_null(trace.host_ttl)},
      {"hops_before_host", before_host ? Row(trace.host_ttl - trace.injection_ttl) : Row(nullptr)},
      {"hop_before", link_end(trace, trace.injection_ttl - 1, trace.hop_before)},
      {"hop_after", link_end(trace, trace.injection_ttl, trace.hop_after)},
      {"asn_before", number_or_null(trace.as_before)},
      {"asn_after", number_or_null(trace.as_after)},
      {"path", path_of(flow.path, trace.host_ttl, trace.key.address)},
      {"runs", trace.runs},
      {"agreeing", trace.agreeing},
      {"confidence", trace.runs == 0 ? Row(nullptr) : Row(confidence_percent / 100)},
      {"run_ttls", trace.run_ttls},
      {"placement", to_string(trace.placement)},
      {"terminating", trace.terminating},
      {"ttl_copied", trace.ttl_copied},
      {"path_changed", trace.path_changed},
      {"rewritten", rewritten_words(trace.rewritten)},
      {"rewritten_ttl", number_or_null(trace.rewritten_ttl)},
      {"source_port", number_or_null(flow.source_port)},
      {"mode", to_string(trace.mode)},
      {"connections", trace.connections},
      {"hellos", trace.hellos},
      {"ways", count_ways(trace.flows)},
      {"flows", flows_of(trace)},
      {"vantage", text_or_null(trace.vantage)},
      {"round", number_or_null(trace.round)},
      {"time", time_or_null(trace.time_ms)},
  };
}

Row round_to_json(const RoundRecord& round) {
  const size_t controls = std::min<size_t>(round.controls, round.names.size());
  const std::span<const std::string> names = round.names;
  Row counters = Row::object();
  for (const auto& [name, count] : round.counters) counters[name] = count;
  return {
      {"round", round.round},
      {"stage", to_string(round.stage)},
      {"pass", round.pass},
      {"position", round.position},
      {"started", time_or_null(round.started_ms)},
      {"last_checkpoint", time_or_null(round.last_checkpoint_ms)},
      {"ended", time_or_null(round.ended_ms)},
      {"vantage", text_or_null(round.vantage)},
      {"hellos", list_of(round.hellos)},
      {"port", round.port},
      {"seed", round.seed},
      {"controls", list_of(names.first(controls))},
      {"names", list_of(names.subspan(controls))},
      {"hosts", round.hosts.size()},
      {"plan_digest", text_or_null(round.plan_digest)},
      {"counters", std::move(counters)},
  };
}

}  // namespace steppe
