// SPDX-License-Identifier: Apache-2.0
// An operator's text file, line by line: '#' starts a comment, blank lines do not count.
#pragma once

#include <cstddef>
#include <fstream>
#include <string>
#include <string_view>

namespace steppe {

// for (TextFile file(path); file.next();) use(file.text());
class TextFile {
 public:
  // Throws OperatorError when it cannot be opened.
  explicit TextFile(std::string path);

  // Goes on to the next line that holds something; false at the end. Throws OperatorError when the
  // file cannot be read.
  bool next();
  // The line without its comment and the white space around it; valid until next().
  std::string_view text() const { return text_; }
  // "FILE:LINE", for messages.
  std::string where() const;

 private:
  std::string path_;
  std::ifstream stream_;
  std::string line_;
  std::string_view text_;
  size_t number_ = 0;
};

// The text in quotes, for a message of one line: what cannot be printed as \xNN, what is too long
// cut.
std::string quoted(std::string_view text);

}  // namespace steppe
