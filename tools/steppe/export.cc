// SPDX-License-Identifier: Apache-2.0
// steppe export: what a database holds, one row a line.
#include "engine/plan/operator_error.h"
#include "modules/outputs/outputs.h"
#include "modules/outputs/shapes.h"
#include "tools/steppe/command_line.h"
#include "tools/steppe/row_writer.h"
#include "tools/steppe/subcommands.h"

namespace steppe {

namespace {

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
  std::string kind, database;
  RowFlags rows;
};

}  // namespace

int run_export(int argc, const char* const* argv) {
  Flags f;
  CommandLine line("export", description(), examples);
  line.positional("KIND", f.kind, "what to export");
  line.value("--db", f.database, "DIR", "kz.db", "database directory of a scan");
  f.rows.add(line,
             {.file = "pairs.jsonl", .fields = "host,sni,verdict", .filter = "'verdict != same'"});
  if (!line.parse(argc, argv)) return 0;

  if (f.kind.empty()) throw OperatorError("nothing to export: say what, e.g. steppe export pairs");
  const Shape& shape = shape_of(f.kind);
  if (f.database.empty()) throw OperatorError("no database: name one, e.g. --db kz.db");
  RowWriter writer(f.rows, shape.fields);
  const Store store(f.database, Store::Mode::read);
  shape.for_each(store, [&](const Row& row) { return writer.write(row); });
  writer.finish();
  return 0;
}

}  // namespace steppe
