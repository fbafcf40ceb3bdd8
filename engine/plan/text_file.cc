// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/text_file.h"

#include <cerrno>
#include <system_error>

#include "engine/plan/operator_error.h"

namespace steppe {
namespace {

constexpr std::string_view blanks = " \t\r\v\f";  // \r: files that came from Windows

std::string_view without_comment(std::string_view line) {
  line = line.substr(0, line.find('#'));
  const size_t first = line.find_first_not_of(blanks);
  if (first == line.npos) return {};
  return line.substr(first, line.find_last_not_of(blanks) - first + 1);
}

[[noreturn]] void cannot_read(const std::string& path) {
  throw OperatorError("cannot read " + path + ": " + std::generic_category().message(errno));
}

}  // namespace

TextFile::TextFile(std::string path) : path_(std::move(path)), stream_(path_) {
  if (!stream_) cannot_read(path_);
}

bool TextFile::next() {
  while (std::getline(stream_, line_)) {
    ++number_;
    text_ = without_comment(line_);
    if (!text_.empty()) return true;
  }
  if (stream_.bad()) cannot_read(path_);  // a directory opens, and fails here
  return false;
}

std::string TextFile::where() const {
  return path_ + ":" + std::to_string(number_);
}

std::string quoted(std::string_view text) {
  constexpr size_t longest = 80;
  constexpr char hex[] = "0123456789abcdef";
  std::string result = "\"";
  for (const char letter : text.substr(0, longest)) {
    const auto byte = static_cast<unsigned char>(letter);
    if (byte < 0x20 || byte == 0x7f) {
      result += {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
    } else {
      result += letter;
    }
  }
  return result + (text.size() > longest ? "...\"" : "\"");
}

}  // namespace steppe
