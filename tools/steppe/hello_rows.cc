// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/hello_rows.h"

#include "modules/fingerprints/fingerprints.h"
#include "modules/fingerprints/hello_values.h"
#include "modules/outputs/shapes.h"

namespace steppe {

namespace {

using enum FieldType;

constexpr Field seen_fields[] = {
    {"source_ip", text, true},      {"source_port", number, true},
    {"destination_ip", text, true}, {"destination_port", number, true},
    {"timestamp", text, true},      {"sni", text, true},
    {"alpn", list, true},           {"ja3", text, true},
    {"ja3_digest", text, true},     {"ja4", text, true},
    {"ja4_r", text, true},          {"ja3s", text, true},
    {"ja3s_digest", text, true},
};

constexpr Field named_fields[] = {
    {"hello", text, true},      {"sni", text, true}, {"alpn", list, true},  {"ja3", text, true},
    {"ja3_digest", text, true}, {"ja4", text, true}, {"ja4_r", text, true},
};

void add_fingerprints(Row& row, const HelloFields& hello) {
  const std::string name = server_name(hello);
  row["sni"] = name.empty() ? Row(nullptr) : Row(name);
  Row& protocols = row["alpn"] = Row::array();
  for (const std::string& protocol : application_protocols(hello)) protocols.push_back(protocol);
  const Fingerprint by_ja3 = ja3(hello), by_ja4 = ja4(hello);
  row["ja3"] = by_ja3.text;
  row["ja3_digest"] = by_ja3.digest;
  row["ja4"] = by_ja4.digest;
  row["ja4_r"] = by_ja4.text;
}

}  // namespace

std::span<const Field> seen_hello_fields() {
  return seen_fields;
}

std::span<const Field> named_hello_fields() {
  return named_fields;
}

Row seen_hello_to_json(const SeenHello& seen) {
  Row row = {
      {"source_ip", seen.client.address_text()},      {"source_port", seen.client.port},
      {"destination_ip", seen.server.address_text()}, {"destination_port", seen.server.port},
      {"timestamp", format_time(seen.time_ms)},
  };
  add_fingerprints(row, seen.fields);
  row["ja3s"] = nullptr;
  row["ja3s_digest"] = nullptr;
  if (!seen.answer) return row;
  const Fingerprint answer =
      ja3s(seen.answer->legacy_version, seen.answer->cipher_suite, seen.answer->extensions);
  row["ja3s"] = answer.text;
  row["ja3s_digest"] = answer.digest;
  return row;
}

Row named_hello_to_json(const std::string& name, const HelloFields& hello) {
  Row row = {{"hello", name}};
  add_fingerprints(row, hello);
  return row;
}

}  // namespace steppe
