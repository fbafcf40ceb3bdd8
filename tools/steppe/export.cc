// SPDX-License-Identifier: Apache-2.0
// steppe export: what a database holds, one row a line.
#include <signal.h>

#include <optional>

#include "engine/plan/operator_error.h"
#include "modules/outputs/filter.h"
#include "modules/outputs/outputs.h"
#include "modules/outputs/shapes.h"
#include "tools/steppe/command_line.h"
#include "tools/steppe/output_file.h"
#include "tools/steppe/subcommands.h"

namespace steppe {

namespace {

// Rows are gathered up to this size before they are written.
constexpr size_t buffer_bytes = 256 * 1024;

constexpr const char* examples =
    "Examples:\n"
    "  steppe export pairs --db kz.db --output-filter 'verdict != same' -o pairs.jsonl\n"
    "  steppe export pairs --db kz.db --format csv -f host,sni,verdict,evidence.key\n"
    "  steppe export pairs --db kz.db --output-filter 'interference = yes && asn = 9198'\n"
    "  steppe export interceptors --db kz.db | jq .issuer\n"
    "  steppe export traces --db kz.db --output-filter 'hops_before_host >= 3'\n";

std::string description() {
  std::string text = "Writes what a database holds. KIND is one of\n";
  for (const Shape* shape : shapes()) {
    text.append("  ").append(shape->name).append(16 - shape->name.size(), ' ');
    text.append(shape->meaning).append("\n");
  }
  text += "and --output-module one of\n";
  for (const OutputModule* module : output_modules()) {
    text.append("  ").append(module->name).append(16 - module->name.size(), ' ');
    text.append(module->meaning).append("\n");
  }
  return text;
}

struct Flags {
  std::string kind, database, format, module, file, fields, filter;
};

}  // namespace

int run_export(int argc, const char* const* argv) {
  Flags f;
  CommandLine line("export", description(), examples);
  line.positional("KIND", f.kind, "what to export");
  line.value("--db", f.database, "DIR", "kz.db", "database directory of a scan");
  line.value("-O,--output-module", f.module, "NAME", "csv", "how rows are written (jsonl)");
  line.value("--format", f.format, "NAME", "csv", "the same as --output-module");
  line.value("-o,--output-file", f.file, "FILE", "pairs.jsonl",
             "there only when it is whole (stdout)");
  line.value("-f,--output-fields", f.fields, "LIST", "host,sni,verdict",
             "fields and their order, * for all; dots lead into nested ones");
  line.value("--output-filter", f.filter, "EXPR", "'verdict != same'",
             "which rows: FIELD = != < > <= >= VALUE, with && || and parentheses");
  if (!line.parse(argc, argv)) return 0;

  if (f.kind.empty()) throw OperatorError("nothing to export: say what, e.g. steppe export pairs");
  const Shape& shape = shape_of(f.kind);
  if (f.database.empty()) throw OperatorError("no database: name one, e.g. --db kz.db");
  if (!f.format.empty() && !f.module.empty() && f.format != f.module)
    throw OperatorError("--format and --output-module mean the same: give one of them");
  const std::string& chosen = f.module.empty() ? f.format : f.module;
  const OutputModule& module = output_module(chosen.empty() ? "jsonl" : chosen);
  std::vector<std::string> paths;
  if (!f.fields.empty()) {
    paths = parse_fields(f.fields, shape.fields);
  } else if (module.columns) {
    for (const Field& field : shape.fields)
      if (field.in_csv) paths.emplace_back(field.path);
  }
  std::optional<Filter> filter;
  if (!f.filter.empty()) filter.emplace(f.filter, shape.fields);
  check_writable("--output-file", f.file);
  const Store store(f.database, Store::Mode::read);

  // A reader that has enough (head, less) closes the pipe: that is an end, not an error.
  signal(SIGPIPE, SIG_IGN);
  OutputFile file(f.file);
  std::string buffer;
  bool wanted = true;
  const auto flush = [&] {
    wanted = wanted && file.write(buffer);
    buffer.clear();
  };
  module.begin(buffer, paths);
  shape.for_each(store, [&](const Row& row) {
    if (filter && !filter->matches(row)) return true;
    module.row(buffer, paths, row);
    if (buffer.size() >= buffer_bytes) flush();
    return wanted;
  });
  module.end(buffer);
  flush();
  if (wanted) file.commit();
  return 0;
}

}  // namespace steppe
