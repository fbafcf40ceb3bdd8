// SPDX-License-Identifier: Apache-2.0
// The test program started once more, as a process of its own: to hold a lock, or to be killed.
#pragma once

#include <string>

namespace steppe::test {

// What main() does when it is started as one; `directory` is the database's.
int run_holder(const std::string& directory);
int run_writer(const std::string& directory);

class Child {
 public:
  // role: "holder" or "writer".
  Child(const std::string& role, const std::string& directory);
  ~Child();  // kills it, if it still runs
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // The next line that it prints, "" at the end.
  std::string line();
  void kill();
  // Closes its standard input and waits for its end.
  void finish();

 private:
  void wait();
  int pid_ = -1, in_ = -1, out_ = -1;
};

}  // namespace steppe::test
