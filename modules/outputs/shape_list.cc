// SPDX-License-Identifier: Apache-2.0
// The kinds of record that can be exported, each with its fields and its walk over the store.
#include "engine/plan/operator_error.h"
#include "modules/outputs/shapes.h"

namespace steppe {

namespace {

using enum FieldType;

constexpr Field pair_fields[] = {
    {"host", text, true},
    {"port", number, true},
    {"sni", text, true},
    {"control", boolean, true},
    {"verdict", text, true},
    {"interference", text, true},
    {"stable", boolean, true},
    {"attempts", number, true},
    {"agreeing", number, true},
    {"first_seen", text, true},
    {"last_seen", text, true},
    {"leaf_sha256", text, true},
    {"baseline_sha256", text, true},
    {"issuer", text, true},
    {"interceptor", text, true},
    {"evidence.subject_equal", boolean, true},
    {"evidence.san_equal", boolean, true},
    {"evidence.san_contained", boolean, false},
    {"evidence.key_replaced", boolean, true},
    {"evidence.key", text, true},
    {"evidence.not_before_shift_s", number, true},
    {"evidence.not_after_shift_s", number, true},
    {"evidence.serial_equal_prefix_bits", number, true},
    {"evidence.serial_bits", number, false},
    {"evidence.extensions_removed", list, true},
    {"evidence.extensions_added", list, false},
    {"evidence.issuer_equal", boolean, false},
    {"evidence.names_asked", boolean, false},
    {"evidence.trusted", boolean, true},
    {"evidence.anchored", boolean, false},
    {"asn", number, true},
    {"vantage", text, true},
    {"round", number, true},
    {"hello", text, true},
    {"ttl", number, true},
    {"stateful", boolean, true},
    {"detail", number, true},
    {"changes", list, false},
};

constexpr Field host_fields[] = {
    {"host", text, true},         {"port", number, true},        {"status", text, true},
    {"reason", text, true},       {"asn", number, true},         {"control_mode", text, true},
    {"own_name", text, true},     {"refusal", text, true},       {"refusal_detail", number, true},
    {"leaf_sha256", text, true},  {"chain_sha256", list, false}, {"subject", text, true},
    {"issuer", text, true},       {"hello", text, true},         {"tls_version", text, true},
    {"cipher_suite", text, true}, {"ja3s", text, false},         {"ja3s_digest", text, true},
    {"round", number, true},      {"first_seen", text, true},    {"last_seen", text, true},
};

constexpr Field certificate_fields[] = {
    {"sha256", text, true},         {"subject", text, true},
    {"issuer", text, true},         {"serial", text, true},
    {"not_before", text, true},     {"not_after", text, true},
    {"names", list, true},          {"key", text, true},
    {"spki_sha256", text, true},    {"ca", boolean, true},
    {"self_signed", boolean, true}, {"raw", text, false},
};

constexpr Field interceptor_fields[] = {
    {"spki_sha256", text, true},
    {"issuer", text, true},
    {"label", text, true},
    {"hosts", number, true},
    {"autonomous_systems", number, true},
    {"pairs", number, true},
    {"leaves", number, true},
    {"forging_leaves", number, true},
    {"names", list, true},
    {"first_seen", text, true},
    {"last_seen", text, true},
    {"chain_sha256", list, false},
};

constexpr Field trace_fields[] = {
    {"host", text, true},
    {"port", number, true},
    {"sni", text, true},
    {"hello", text, true},
    {"outcome", text, true},
    {"injection_ttl", number, true},
    {"host_ttl", number, true},
    {"hops_before_host", number, true},
    {"hop_before", text, true},
    {"hop_after", text, true},
    {"asn_before", number, true},
    {"asn_after", number, true},
    {"path", list, true},
    {"runs", number, true},
    {"agreeing", number, true},
    {"confidence", number, true},
    {"run_ttls", list, true},
    {"placement", text, true},
    {"terminating", boolean, true},
    {"ttl_copied", boolean, true},
    {"path_changed", boolean, true},
    {"rewritten", list, true},
    {"rewritten_ttl", number, true},
    {"source_port", number, true},
    {"mode", text, true},
    {"connections", number, true},
    {"hellos", number, true},
    {"ways", number, true},
    {"flows", list, false},
    {"vantage", text, true},
    {"round", number, true},
    {"time", text, true},
};

constexpr Field round_fields[] = {
    {"round", number, true},    {"stage", text, true},   {"pass", number, true},
    {"position", number, true}, {"started", text, true}, {"last_checkpoint", text, true},
    {"ended", text, true},      {"vantage", text, true}, {"hellos", list, true},
    {"port", number, true},     {"seed", number, true},  {"controls", list, false},
    {"names", list, false},     {"hosts", number, true}, {"plan_digest", text, false},
    {"counters", list, false},
};

constexpr Shape pairs = {
    "pairs", "every (host, name, hello) with its verdict and evidence", pair_fields,
    [](const Store& store, const std::function<bool(const Row&)>& callback) {
      store.for_each_pair([&](const PairView& pair) { return callback(pair_to_json(pair)); });
    }};

constexpr Shape hosts = {
    "hosts", "every TLS host that was found, with its status and baseline", host_fields,
    [](const Store& store, const std::function<bool(const Row&)>& callback) {
      store.for_each_host([&](const HostRecord& host) { return callback(host_to_json(host)); });
    }};

constexpr Shape certs = {
    "certs", "every certificate that was seen, once", certificate_fields,
    [](const Store& store, const std::function<bool(const Row&)>& callback) {
      store.for_each_certificate([&](const Digest& digest, std::span<const uint8_t> der) {
        return callback(certificate_to_json(digest, der));
      });
    }};

constexpr Shape interceptors = {
    "interceptors", "every key that forged certificates for unrelated hosts", interceptor_fields,
    [](const Store& store, const std::function<bool(const Row&)>& callback) {
      store.for_each_interceptor([&](const InterceptorRecord& interceptor) {
        return callback(interceptor_to_json(interceptor));
      });
    }};

constexpr Shape traces = {
    "traces", "where the answers for a pair are made, as its latest trace found it", trace_fields,
    [](const Store& store, const std::function<bool(const Row&)>& callback) {
      store.for_each_trace(
          [&](const TraceRecord& trace) { return callback(trace_to_json(trace)); });
    }};

constexpr Shape rounds = {"rounds", "every campaign that was run into this database", round_fields,
                          [](const Store& store, const std::function<bool(const Row&)>& callback) {
                            for (const RoundRecord& round : store.rounds())
                              if (!callback(round_to_json(round))) return;
                          }};

constexpr const Shape* all[] = {&pairs, &hosts, &certs, &interceptors, &traces, &rounds};

}  // namespace

std::span<const Shape* const> shapes() {
  return all;
}

const Shape& shape_of(std::string_view name) {
  std::string known;
  for (const Shape* shape : all) {
    if (shape->name == name) return *shape;
    known.append(known.empty() ? "" : ", ").append(shape->name);
  }
  throw OperatorError("cannot export \"" + std::string(name) + "\": there are " + known);
}

}  // namespace steppe
