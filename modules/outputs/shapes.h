// SPDX-License-Identifier: Apache-2.0
// The shapes of what is exported: each kind of record as one JSON object, made here and nowhere
// else. Null stands where nothing is known; times are RFC 3339 in UTC with milliseconds, digests
// lower-case hex.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "engine/store/store.h"
#include "modules/outputs/fields.h"

namespace steppe {

// "2019-07-23T14:05:59.120Z" of Unix milliseconds, any year from 0000 to 9999.
std::string format_time(int64_t unix_ms);
// What came instead of a certificate, in words, for a verdict's detail; "" where there is nothing
// to say.
std::string describe_detail(Verdict verdict, uint8_t detail);

Row evidence_to_json(const Evidence& evidence);
Row pair_to_json(const PairView& pair);
Row host_to_json(const HostRecord& host);
// der: any bytes; what cannot be parsed has null in every field but sha256 and raw.
Row certificate_to_json(const Digest& digest, std::span<const uint8_t> der);
Row interceptor_to_json(const InterceptorRecord& interceptor);
Row trace_to_json(const TraceRecord& trace);
Row round_to_json(const RoundRecord& round);

// A kind of record that can be exported.
struct Shape {
  std::string_view name;          // "pairs"
  std::string_view meaning;       // one line for --help
  std::span<const Field> fields;  // every path of its rows, in order
  // Walks the store in key order; the callback returns false to stop.
  void (*for_each)(const Store& store, const std::function<bool(const Row&)>& callback);
};

std::span<const Shape* const> shapes();

// Throws OperatorError that names the kinds there are.
const Shape& shape_of(std::string_view name);

}  // namespace steppe
