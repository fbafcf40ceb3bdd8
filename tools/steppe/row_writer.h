// SPDX-License-Identifier: Apache-2.0
// Rows on their way out: the flags that say how they are written, which and where to, and the
// writing. What `export` and `fingerprint` share.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "modules/outputs/filter.h"
#include "modules/outputs/outputs.h"
#include "tools/steppe/command_line.h"
#include "tools/steppe/output_file.h"

namespace steppe {

// The values of --output-module, --format, --output-file, --output-fields and --output-filter.
struct RowFlags {
  struct Examples {
    std::string file, fields, filter;
  };
  void add(CommandLine& line, const Examples& examples);

  std::string module, format, file, fields, filter;
};

class RowWriter {
 public:
  // fields: every path of the rows to come. Throws OperatorError: what a flag says is not possible.
  RowWriter(const RowFlags& flags, std::span<const Field> fields);

  // False: the reader of a pipe (head, less) has enough, the rest need not come; that is an end,
  // not an error. Throws std::runtime_error when the disk is full or fails.
  bool write(const Row& row);
  // Out with what is gathered. Returns and throws as write() does.
  bool flush();
  // The file is whole, and at its place, when it returns.
  void finish();

 private:
  const OutputModule* module_;
  std::vector<std::string> paths_;
  std::optional<Filter> filter_;
  OutputFile file_;
  std::string buffer_;
  bool wanted_ = true;
};

}  // namespace steppe
