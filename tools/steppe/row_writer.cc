// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/row_writer.h"

#include <signal.h>

#include "engine/plan/operator_error.h"

namespace steppe {

namespace {

// Rows are gathered up to this size before they are written.
constexpr size_t buffer_bytes = 256 * 1024;

const OutputModule& chosen_module(const RowFlags& flags) {
  if (!flags.format.empty() && !flags.module.empty() && flags.format != flags.module)
    throw OperatorError("--format and --output-module mean the same: give one of them");
  const std::string& name = flags.module.empty() ? flags.format : flags.module;
  return output_module(name.empty() ? "jsonl" : name);
}

std::vector<std::string> chosen_paths(const RowFlags& flags, std::span<const Field> fields,
                                      bool columns) {
  if (!flags.fields.empty()) return parse_fields(flags.fields, fields);
  std::vector<std::string> paths;
  for (const Field& field : fields)
    if (columns && field.in_csv) paths.emplace_back(field.path);
  return paths;
}

std::optional<Filter> chosen_filter(const RowFlags& flags, std::span<const Field> fields) {
  if (flags.filter.empty()) return std::nullopt;
  return Filter(flags.filter, fields);
}

const std::string& writable(const std::string& path) {
  check_writable("--output-file", path);
  return path;
}

}  // namespace

void RowFlags::add(CommandLine& line, const Examples& examples) {
  line.value("-O,--output-module", module, "NAME", "csv", "how rows are written (jsonl)");
  line.value("--format", format, "NAME", "csv", "the same as --output-module");
  line.value("-o,--output-file", file, "FILE", examples.file,
             "there only when it is whole (stdout)");
  line.value("-f,--output-fields", fields, "LIST", examples.fields,
             "fields and their order, * for all; dots lead into nested ones");
  line.value("--output-filter", filter, "EXPR", examples.filter,
             "which rows: FIELD = != < > <= >= VALUE, with && || and parentheses");
}

RowWriter::RowWriter(const RowFlags& flags, std::span<const Field> fields)
    : module_(&chosen_module(flags)),
      paths_(chosen_paths(flags, fields, module_->columns)),
      filter_(chosen_filter(flags, fields)),
      file_(writable(flags.file)) {
  signal(SIGPIPE, SIG_IGN);
  module_->begin(buffer_, paths_);
}

bool RowWriter::write(const Row& row) {
  if (filter_ && !filter_->matches(row)) return wanted_;
  module_->row(buffer_, paths_, row);
  return buffer_.size() >= buffer_bytes ? flush() : wanted_;
}

bool RowWriter::flush() {
  wanted_ = wanted_ && file_.write(buffer_) && file_.flush();
  buffer_.clear();
  return wanted_;
}

void RowWriter::finish() {
  module_->end(buffer_);
  if (flush()) file_.commit();
}

}  // namespace steppe
