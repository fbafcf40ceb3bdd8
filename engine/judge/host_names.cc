// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/host_names.h"

#include <openssl/asn1.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>
#include <functional>

namespace steppe {
namespace {

bool is_label_letter(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '-';
}

// What a name may consist of for equality to be all there is to it.
bool is_usual(std::string_view name) {
  return !name.empty() && name.front() != '.' && std::ranges::all_of(name, [](char letter) {
    return is_label_letter(letter) || letter == '.' || letter == '_';
  });
}

// What may stand behind "*.": two labels at least, none of them empty or with a hyphen at its edge.
bool is_parent(std::string_view name) {
  size_t labels = 0;
  while (true) {
    const std::string_view label = name.substr(0, name.find('.'));
    if (label.empty() || label.front() == '-' || label.back() == '-' ||
        !std::ranges::all_of(label, is_label_letter))
      return false;
    ++labels;
    if (label.size() == name.size()) return labels >= 2;
    name.remove_prefix(label.size() + 1);
  }
}

}  // namespace

HostNames::HostNames(const LeafParts& leaf) : usual_(true) {
  for (const std::string& name : leaf.alternative_names)
    if (name[0] == 'd') add(std::string_view(name).substr(1));
  const X509_NAME* subject = X509_get_subject_name(leaf.x509.get());
  for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) {
    uint8_t* text = nullptr;
    const int bytes =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (bytes < 0) {
      usual_ = false;
    } else {
      add({reinterpret_cast<const char*>(text), static_cast<size_t>(bytes)});
      OPENSSL_free(text);
    }
  }
  ERR_clear_error();
  std::ranges::sort(patterns_);
}

void HostNames::add(std::string_view pattern) {
  std::string lower(pattern);
  for (char& letter : lower)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  const bool wildcard = lower.starts_with("*.");
  if (!wildcard && lower.find('*') == lower.npos) {
    // One with other letters, such as an authority's name, equals no usual name.
    if (is_usual(lower)) patterns_.push_back(std::move(lower));
  } else if (wildcard && is_parent(std::string_view(lower).substr(2))) {
    patterns_.push_back(std::move(lower));
  } else {
    usual_ = false;
  }
}

std::optional<bool> HostNames::match(std::string_view server_name) const {
  if (!usual_ || !is_usual(server_name)) return std::nullopt;
  if (std::ranges::binary_search(patterns_, server_name, std::less<>())) return true;
  const size_t dot = server_name.find('.');
  if (dot == server_name.npos || !std::ranges::all_of(server_name.substr(0, dot), is_label_letter))
    return false;
  // The wildcard stands for the first label.
  const std::string_view rest = server_name.substr(dot);
  const auto wildcard_order = [](std::string_view pattern, std::string_view tail) {
    return pattern.front() != '*' ? pattern.front() < '*' : pattern.substr(1) < tail;
  };
  const auto found = std::lower_bound(patterns_.begin(), patterns_.end(), rest, wildcard_order);
  return found != patterns_.end() && found->front() == '*' &&
         std::string_view(*found).substr(1) == rest;
}

}  // namespace steppe
