// SPDX-License-Identifier: Apache-2.0
// A file that is either whole or not there: written beside its place, renamed at the end.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace steppe {

// Throws OperatorError if a file could not be written at this path; makes nothing.
void check_writable(std::string_view flag, const std::string& path);

// "-" and "" mean stdout; what is there and is not a regular file (a pipe, /dev/null) is written in
// place.
class OutputFile {
 public:
  explicit OutputFile(const std::string& path);
  // Removes what was not committed.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // False: the reader of a pipe is gone, and the rest need not be written. Throws
  // std::runtime_error when the disk is full or fails.
  bool write(std::string_view bytes);
  // What was written is on its way to a reader. Returns and throws as write() does.
  bool flush();
  // Durable, and at its place, when it returns. Returns and throws as write() does.
  bool commit();

 private:
  bool failed();
  std::string path_, temporary_;
  std::FILE* file_ = nullptr;
};

}  // namespace steppe
