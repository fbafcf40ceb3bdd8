// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/verdict.h"

namespace steppe {
namespace {

template <typename Value>
struct Word {
  Value value;
  std::string_view word;
};

#define STEPPE_WORD(name, number, meaning) {Enum::name, #name},
template <typename Enum>
struct Words;
template <>
struct Words<Verdict> {
  using Enum = Verdict;
  static constexpr Word<Enum> all[] = {STEPPE_VERDICTS(STEPPE_WORD)};
};
template <>
struct Words<HostStatus> {
  using Enum = HostStatus;
  static constexpr Word<Enum> all[] = {STEPPE_HOST_STATUSES(STEPPE_WORD)};
};
template <>
struct Words<Interference> {
  using Enum = Interference;
  static constexpr Word<Enum> all[] = {
      {Enum::no, "no"}, {Enum::yes, "yes"}, {Enum::inconclusive, "inconclusive"}};
};
#undef STEPPE_WORD

static_assert(std::size(Words<Verdict>::all) == verdict_count);
static_assert(std::size(Words<HostStatus>::all) == host_status_count);

// A value that no list has can only come from a damaged record; its word says so.
template <typename Enum>
std::string_view word_of(Enum value) {
  for (const auto& entry : Words<Enum>::all)
    if (entry.value == value) return entry.word;
  return "?";
}

template <typename Enum>
std::optional<Enum> value_of(std::string_view word) {
  for (const auto& entry : Words<Enum>::all)
    if (entry.word == word) return entry.value;
  return std::nullopt;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  return word_of(verdict);
}
std::string_view to_string(HostStatus status) {
  return word_of(status);
}
std::string_view to_string(Interference interference) {
  return word_of(interference);
}
std::optional<Verdict> verdict_from(std::string_view word) {
  return value_of<Verdict>(word);
}
std::optional<HostStatus> host_status_from(std::string_view word) {
  return value_of<HostStatus>(word);
}
std::optional<Interference> interference_from(std::string_view word) {
  return value_of<Interference>(word);
}

}  // namespace steppe
