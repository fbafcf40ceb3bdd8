// SPDX-License-Identifier: Apache-2.0
// steppe fingerprint: who sends such a ClientHello. Of hellos in captures (a censor's box asks the
// origin with one of its own), of those that steppe sends, and of one in a file.
#include <spdlog/fmt/fmt.h>

#include <cstdio>
#include <random>

#include "engine/plan/names.h"
#include "engine/plan/operator_error.h"
#include "modules/fingerprints/fingerprints.h"
#include "modules/hellos/hellos.h"
#include "tools/steppe/capture.h"
#include "tools/steppe/command_line.h"
#include "tools/steppe/hello_choice.h"
#include "tools/steppe/hello_file.h"
#include "tools/steppe/hello_rows.h"
#include "tools/steppe/hello_streams.h"
#include "tools/steppe/key_shares.h"
#include "tools/steppe/row_writer.h"
#include "tools/steppe/subcommands.h"
#include "tools/steppe/values.h"

namespace steppe {

namespace {

constexpr const char* description =
    "Prints JA3 and JA4 of ClientHellos, one row each: of all that are in captures (pcap or "
    "pcapng;\n"
    "any port; - is stdin), with JA3S of the server's first answer; of what steppe sends; or of "
    "one\n"
    "in a file.";

constexpr const char* examples =
    "Examples:\n"
    "  steppe fingerprint arrived.pcap\n"
    "  steppe fingerprint arrived.pcap --format csv -f source_ip,sni,ja4,ja3_digest\n"
    "  steppe fingerprint *.pcap --output-filter 'ja4 != t12d260500_80ce1a114b59_d43e80d1c888'\n"
    "  tcpdump -U -i eth0 -w - 'tcp port 443' | steppe fingerprint -\n"
    "  steppe fingerprint --hello all\n"
    "  steppe fingerprint --hello tls13 --sni facebook.com\n"
    "  steppe fingerprint --hello-file chrome.hex\n";

struct Flags {
  std::vector<std::string> captures;
  std::string hello, name, hello_file;
  RowFlags rows;
};

constexpr const char* usual_name = "example.com";

// As a scan sends it to a host that is asked for `name`.
Row row_of(const HelloDescription& hello, const std::string& name) {
  std::vector<uint8_t> bytes(limits::client_hello_bytes);
  const ClientHello compiled(hello, stand_in_key_shares());
  bytes.resize(compiled.write(bytes, name, std::random_device{}()));
  HelloFields fields;
  std::vector<uint8_t> messages;
  if (read_client_hello(bytes, fields, messages) != HelloReading::complete)
    throw std::logic_error("hello " + std::string(hello.name) + " is none");
  return named_hello_to_json(std::string(hello.name), fields);
}

void print_hellos(const Flags& f) {
  const std::string name = f.name.empty() ? usual_name : f.name;
  if (!is_host_name(name)) reject_value("--sni", name, "must be a host name", "facebook.com");
  std::vector<const HelloDescription*> chosen(hellos().begin(), hellos().end());
  if (f.hello != "all") chosen = {&chosen_hello(f.hello)};
  RowWriter writer(f.rows, named_hello_fields());
  for (const HelloDescription* hello : chosen) writer.write(row_of(*hello, name));
  writer.finish();
}

void note(const std::string& path, const std::string& text) {
  fmt::print(stderr, "steppe fingerprint: {}: {}\n", path, text);
}

// The row is of the hello as it was captured; what of it steppe sends is a matter for notes.
void print_hello_file(const Flags& f) {
  const CapturedHello captured = read_hello_file(f.hello_file);
  RowWriter writer(f.rows, named_hello_fields());
  try {
    const HelloFile file(captured, f.hello_file);
    const std::string name(file.description().name);
    writer.write(named_hello_to_json(name, captured.fields));
    for (const std::string& line : file.notes()) note(f.hello_file, "to send it, steppe " + line);
    const Row sent = row_of(file.description(), usual_name);
    if (!file.notes().empty())
      note(f.hello_file,
           fmt::format("sent it has ja4 {}, ja3_digest {}", sent["ja4"].get<std::string>(),
                       sent["ja3_digest"].get<std::string>()));
  } catch (const OperatorError& error) {
    writer.write(named_hello_to_json("file", captured.fields));
    note(f.hello_file, error.what());
  }
  writer.finish();
}

// Returns how many hellos there were. What was found before an error is written before it is
// thrown.
uint64_t print_capture(const std::string& path, RowWriter& writer) {
  uint64_t hellos = 0;
  bool wanted = true;
  HelloStreams streams([&](const SeenHello& seen) {
    hellos++;
    wanted = writer.write(seen_hello_to_json(seen));
  });
  Capture capture(path);
  const auto end = [&] {
    streams.finish();
    if (streams.cut_off() > 0)
      note(path, fmt::format("{} ClientHellos are not whole in this capture: frames were cut off "
                             "(tcpdump -s 0) or are missing",
                             streams.cut_off()));
  };
  try {
    CapturedFrame frame;
    while (wanted && capture.next(frame)) {
      const uint64_t before = hellos;
      if (const auto segment = read_segment(capture.link_type(), frame.bytes))
        streams.add(*segment, frame.time_ms);
      // Who pipes a capture in as it is made wants to see it come out.
      if (path == "-" && hellos != before) wanted = writer.flush();
    }
  } catch (const OperatorError&) {
    end();
    throw;
  }
  end();
  if (hellos == 0) note(path, "there is no ClientHello in it");
  return hellos;
}

void print_captures(const Flags& f) {
  RowWriter writer(f.rows, seen_hello_fields());
  try {
    for (const std::string& path : f.captures) print_capture(path, writer);
  } catch (const OperatorError&) {
    writer.finish();
    throw;
  }
  writer.finish();
}

}  // namespace

int run_fingerprint(int argc, const char* const* argv) {
  Flags f;
  CommandLine line("fingerprint", description, examples);
  line.positionals("FILE", f.captures, "captures");
  line.value("--hello", f.hello, "NAME", "all", "a ClientHello of steppe's; all for each of them");
  line.value("--sni", f.name, "NAME", "facebook.com",
             std::string("with --hello: the server name in it (") + usual_name + ")");
  line.value("--hello-file", f.hello_file, "FILE", "chrome.hex",
             "a captured ClientHello: raw, as hex digits, or the first of a capture");
  f.rows.add(
      line,
      {.file = "hellos.jsonl", .fields = "sni,ja4,ja3_digest", .filter = "'sni = facebook.com'"});
  if (!line.parse(argc, argv)) return 0;

  const int sources = !f.captures.empty() + !f.hello.empty() + !f.hello_file.empty();
  if (sources == 0)
    throw OperatorError(
        "nothing to take a fingerprint of: name a capture, --hello or --hello-file");
  if (sources > 1)
    throw OperatorError("captures, --hello and --hello-file exclude each other: give one of them");
  if (!f.name.empty() && f.hello.empty())
    throw OperatorError("--sni goes with --hello only: captured hellos have a name, or none");
  if (!f.hello.empty())
    print_hellos(f);
  else if (!f.hello_file.empty())
    print_hello_file(f);
  else
    print_captures(f);
  return 0;
}

}  // namespace steppe
