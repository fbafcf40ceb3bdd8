// SPDX-License-Identifier: Apache-2.0
// --hello-file: a ClientHello that somebody captured, and the description of ours that imitates it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/wire/client_hello.h"
#include "engine/wire/hello_fields.h"

namespace steppe {

// The fields point into the other members: moved, but not copied.
struct CapturedHello {
  CapturedHello() = default;
  CapturedHello(CapturedHello&&) = default;
  CapturedHello& operator=(CapturedHello&&) = default;

  HelloFields fields;
  std::vector<uint8_t> stream, messages;
};

// path: a TLS record or a bare handshake message; the same as hex digits, with white space, colons
// and 0x where they like (Wireshark: Copy, ...as a Hex Stream); or a capture, of which the first
// ClientHello counts. "-" is stdin, but for captures. Throws OperatorError.
CapturedHello read_hello_file(const std::string& path);

// What steppe sends in its place: the same versions, suites and extensions in the same order, with
// GREASE where that has some, and padding where that could be padded. The name, random, session id
// and keys are the connection's, as always. Left out is what would make no sense to a server, or
// what steppe could not go on with; notes() says so.
class HelloFile {
 public:
  // Throws OperatorError: it cannot be sent like this.
  explicit HelloFile(const std::string& path) : HelloFile(read_hello_file(path), path) {}
  HelloFile(const CapturedHello& captured, const std::string& path);
  // The description points into the object.
  HelloFile(const HelloFile&) = delete;
  HelloFile& operator=(const HelloFile&) = delete;

  // Its name is "file:" and 12 hex digits of the SHA-256 of all that it says, so that answers to
  // different hellos are told apart, whatever their files were called.
  const HelloDescription& description() const { return description_; }
  // What is not as it was captured, a line each.
  std::span<const std::string> notes() const { return notes_; }

 private:
  void choose_suites(const HelloFields& hello, const std::string& path);
  void choose_groups(const HelloFields& hello);
  void add(const HelloFields::Extension& extension);
  void keep(uint16_t type, std::vector<uint8_t> data);
  void name_it();

  std::string name_;
  std::vector<uint16_t> suites_, groups_, shares_;  // of groups: those that steppe can go on with
  std::vector<std::vector<uint8_t>> data_;
  std::vector<HelloExtension> extensions_;
  std::vector<std::string> notes_;
  HelloDescription description_ = {};
};

}  // namespace steppe
